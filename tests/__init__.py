"""The tests mirror the tree; beside it, interleavings/ has races, system/ real server processes, faults/ failures."""

from pathlib import Path

PROJECT_DIR = Path(__file__).resolve().parents[1]
