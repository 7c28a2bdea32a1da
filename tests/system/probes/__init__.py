"""Real server processes over HTTP."""
