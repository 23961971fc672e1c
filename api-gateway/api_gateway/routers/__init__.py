"""HTTP only: parse, call, wrap."""
