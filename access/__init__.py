"""Who may use the service: API tokens, and the groups that stand for roles."""
