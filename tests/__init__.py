"""The tests mirror the tree; interleavings/ adds races, system/ real server processes, faults/ failures."""

from pathlib import Path

PROJECT_DIR = Path(__file__).resolve().parents[1]
