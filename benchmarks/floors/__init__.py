"""What could not be undercut: the same bytes without asking anybody anything. The file `BODY_FILE` holds them."""
