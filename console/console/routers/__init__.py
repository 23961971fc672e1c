"""Pages and forms: HTTP only."""
