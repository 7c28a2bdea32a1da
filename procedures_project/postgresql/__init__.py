"""Django's database backend for PostgreSQL, with a limit on how long a request waits for an answer."""
