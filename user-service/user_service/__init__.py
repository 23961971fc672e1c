"""Users, preferences, push tokens, roles, login, API keys and signing keys."""
