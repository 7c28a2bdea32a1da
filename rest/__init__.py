"""How the service speaks HTTP and JSON, whatever the subject: exact JSON, strict fields, problem details."""
