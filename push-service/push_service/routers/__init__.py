"""Routes for other services."""
