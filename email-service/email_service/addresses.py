"""What may be kept of an address where it must not be readable."""

import hashlib


def fingerprint(address: str) -> str:
    """Names an address without giving it away: 64 hexadecimal digits, the same for every capitalisation."""
    return hashlib.sha256(address.strip(" ").lower().encode("utf-8", "replace")).hexdigest()


def masked(address: str) -> str:
    """What a person may be shown of it: `a***@example.com`."""
    local, _, domain = address.strip(" ").rpartition("@")
    return f"{local[:1]}***@{domain}"
