"""Whose word a provider's certificate needs: the system's authorities."""

import ssl
from pathlib import Path


def system_authorities() -> ssl.SSLContext:
    """Those at the places OpenSSL was built with. SSL_CERT_FILE and SSL_CERT_DIR count only where there are none.

    Reads files: not for a running event loop.
    """
    built_in = ssl.get_default_verify_paths()
    context = ssl.create_default_context(
        cafile=built_in.openssl_cafile if Path(built_in.openssl_cafile).is_file() else None,
        capath=built_in.openssl_capath if Path(built_in.openssl_capath).is_dir() else None,
    )
    context.set_alpn_protocols(["http/1.1"])
    return context
