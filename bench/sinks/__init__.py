"""Providers that take everything as fast as a process can, and count: a case must not measure them."""
