"""Who: users, home organisations, projects, memberships, keys and tokens."""
