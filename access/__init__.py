"""Who may use the service: API tokens, logins, rights, and the groups that are its roles."""
