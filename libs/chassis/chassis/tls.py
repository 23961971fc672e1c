"""TLS contexts of clients. Loading the trusted certificates takes 50 ms: clients share them."""

import ssl
from functools import cache


@cache
def system_trust() -> ssl.SSLContext:
    """The certificates that the system trusts. Reads files: do not call it first in a running event loop."""
    return ssl.create_default_context()


@cache
def _no_trust() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def context_for(base_url: str) -> ssl.SSLContext:
    """For a client of one base URL. With plain HTTP nothing is loaded, and the context trusts nobody."""
    return system_trust() if base_url.startswith("https:") else _no_trust()
