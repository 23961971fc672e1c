"""The TLS context of a client of one base URL."""

import ssl
from functools import cache


def tls_context(base_url: str) -> ssl.SSLContext:
    """Loading the trusted certificates takes 50 ms: clients share them, and plain HTTP gets a context that trusts nothing."""
    return _trusting() if base_url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@cache
def _trusting() -> ssl.SSLContext:
    return ssl.create_default_context()
