"""Keys for signing mails as operators make them, and a verifier with DNS records of its own."""

import base64
from collections.abc import Callable, Mapping
from functools import cache

import dkim
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


@cache
def rsa(bits: int = 2048, *, number: int = 1) -> RSAPrivateKey:  # noqa: ARG001 - another number is another key
    return generate_private_key(65_537, bits)


@cache
def ed25519() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def pem(key: PrivateKeyTypes) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def inline(key: PrivateKeyTypes) -> str:
    """The key as base64 in one line."""
    return base64.b64encode(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode()


def verdicts(message: bytes, records: Mapping[str, str]) -> list[bool]:
    """dkimpy's result for each signature of the message, from the top, with these TXT records in the DNS."""

    def look_up(name: bytes, timeout: int = 5) -> bytes | None:  # noqa: ARG001 - dkimpy's signature
        found = records.get(name.decode().rstrip("."))
        return None if found is None else found.encode()

    head = message.partition(b"\r\n\r\n")[0].lower()
    verifier = dkim.DKIM(message)
    return [_verifies(verifier, place, look_up) for place in range(head.count(b"dkim-signature:"))]


def _verifies(verifier: dkim.DKIM, place: int, look_up: Callable[..., bytes | None]) -> bool:
    try:
        return bool(verifier.verify(place, dnsfunc=look_up))
    except dkim.ValidationError:  # the body was changed
        return False
