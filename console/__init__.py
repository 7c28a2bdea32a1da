"""People's pages: operators execute runs here, supervisors look after them. No JSON, no terminal."""
