"""A bookshop, another Django project: it installs the versioned cache alone, and keeps the same promise."""
