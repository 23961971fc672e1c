"""Key pairs of services, and the check for secrets that are too weak for production."""

import base64
import binascii
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

# Guessable secrets, which production refuses. This detects what people write instead of random text. It does not measure
# entropy.

MINIMUM_KEY_BYTES = 32  # RFC 7518, 3.2: at least as long as the hash
DIFFERENT_CHARACTERS = 8  # of sixteen; a random key of 32 bytes in hex hardly ever has fewer than fourteen
MINIMUM_PASSWORD = 12  # characters; `make env` and RabbitMQ's operator write 32 or more
EMBEDDED_KEY_PREFIX = "development-only-"  # keys with this prefix are printed in public files: never for production


def is_weak_key(key: str) -> bool:
    """Too short, printed in a public file, made of few different characters, or of a pattern."""
    return (
        len(key.encode()) < MINIMUM_KEY_BYTES
        or key.startswith(EMBEDDED_KEY_PREFIX)
        or len(set(key)) < DIFFERENT_CHARACTERS
        or _is_of_a_pattern(key)
    )


def is_weak_password(user: str, password: str) -> bool:
    """Equal to the user's name, too short (like servers' default passwords), or of a pattern."""
    return password == user or len(password) < MINIMUM_PASSWORD or _is_of_a_pattern(password)


def _is_of_a_pattern(text: str) -> bool:
    """One repeated piece (`changeme-changeme-`), or mostly equal steps (`aaaa`, `abcd`, `9876`)."""
    steps = Counter(ord(after) - ord(before) for before, after in pairwise(text))
    return text in (text + text)[1:-1] or 2 * max(steps.values()) > len(text)


# The keys by which services recognise each other: each service signs with its own key, and all have the public halves.
#
# Ed25519, both halves as 32 bytes in base64url without padding: `d` and `x` of a JWK (RFC 8037).

KEY_BYTES, KEY_CHARACTERS = 32, 43
_SERVICE = re.compile(r"[a-z][a-z0-9-]{0,62}")
_BETWEEN = re.compile(r"[\s,]+")


@dataclass(frozen=True)
class ServiceKey:
    """The key that `service` signs with. Raises ValueError if `private` is not an Ed25519 private key."""

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
    """A key that anybody can compute: for services on one machine that are not configured yet."""
    return ServiceKey(service, f"{EMBEDDED_KEY_PREFIX}{service}".ljust(KEY_CHARACTERS, "0"))


def verification_key(public: str) -> Ed25519PublicKey:
    """Raises ValueError if `public` is not a key."""
    return Ed25519PublicKey.from_public_bytes(raw_key(public))


def parse_public_keys(text: str) -> dict[str, str]:
    """Public key → the service that owns it, from `service:key` pairs separated by commas or spaces.

    A service may have several keys, e.g. an old and a new one. Raises ValueError.
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
    is_canonical = base64.urlsafe_b64encode(raw) == f"{text}=".encode()
    if len(raw) != KEY_BYTES or not is_canonical:
        raise ValueError("is no Ed25519 key: 32 bytes in base64url, 43 characters")
    return raw
