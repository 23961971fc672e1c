"""HTTP only: parse the request, call a service, wrap the result."""
