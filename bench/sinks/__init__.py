"""Providers that take everything as fast as a process can, and count: they must not be what a case measures."""
