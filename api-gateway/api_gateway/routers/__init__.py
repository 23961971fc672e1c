"""The HTTP layer: routers parse a request, call a service and wrap its result."""
