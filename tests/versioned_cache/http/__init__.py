"""How cached reads are served."""
