"""Redis, which may be down: cache and rate limits."""
