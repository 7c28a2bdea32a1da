"""What stands under `deploy/`, tried with the real tools."""
