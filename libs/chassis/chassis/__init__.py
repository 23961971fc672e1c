"""How a service runs. Knows nothing of notifications."""
