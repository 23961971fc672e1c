"""The keys by which services know each other: each signs with one of its own, and all hold the public halves.

Ed25519, both halves as 32 bytes in base64url without padding: `d` and `x` of a JWK (RFC 8037).
"""

import base64
import binascii
import re
from dataclasses import dataclass, field
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chassis.weak_secrets import EMBEDDED_KEY_PREFIX

KEY_BYTES, KEY_CHARACTERS = 32, 43
_SERVICE = re.compile(r"[a-z][a-z0-9-]{0,62}")
_BETWEEN = re.compile(r"[\s,]+")


@dataclass(frozen=True)
class ServiceKey:
    """What `service` signs with. Raises ValueError when `private` is no Ed25519 private key."""

    service: str
    private: str = field(repr=False)

    def __post_init__(self) -> None:
        raw_key(self.private)

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)

    @cached_property
    def public(self) -> str:
        raw = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    @cached_property
    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(raw_key(self.private))


def development_key(service: str) -> ServiceKey:
    """A key that everybody can make: for services on one machine, before anybody set them up."""
    return ServiceKey(service, f"{EMBEDDED_KEY_PREFIX}{service}".ljust(KEY_CHARACTERS, "0"))


def verification_key(public: str) -> Ed25519PublicKey:
    """Raises ValueError when `public` is no key."""
    return Ed25519PublicKey.from_public_bytes(raw_key(public))


def parse_public_keys(text: str) -> dict[str, str]:
    """Public key → the service that owns it, from `service:key` pairs with commas or blanks between them.

    A service may have several: an old and a new one. Raises ValueError.
    """
    owners: dict[str, str] = {}
    for pair in filter(None, _BETWEEN.split(text)):
        service, colon, public = pair.partition(":")
        if not colon or _SERVICE.fullmatch(service) is None:
            raise ValueError("takes service:key pairs with commas between them")
        verification_key(public)
        if owners.setdefault(public, service) != service:
            raise ValueError(f"gives {service} the key of {owners[public]}")
    return owners


def raw_key(text: str) -> bytes:
    """The 32 bytes. Raises ValueError, which does not quote the text."""
    try:
        raw = base64.b64decode(f"{text}=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != KEY_BYTES or base64.urlsafe_b64encode(raw) != f"{text}=".encode():  # one spelling only
        raise ValueError("is no Ed25519 key: 32 bytes in base64url, 43 characters")
    return raw
