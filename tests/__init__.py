"""The tests mirror the tree; beside it, interleavings/ has races, system/ real server processes, faults/ failures."""
