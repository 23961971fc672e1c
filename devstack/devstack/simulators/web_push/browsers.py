"""Browsers that are subscribed to the simulated push service, and their keys.

Every name is a browser: its keys are derived from its name and from a secret in the data folder, so that nothing has to be
stored, and subscriptions survive a restart.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_CURVE = ec.SECP256R1()


class Undecryptable(Exception):
    """The body is not encrypted for this browser."""


@dataclass(frozen=True)
class Browser:
    """`name` is the last part of its endpoint."""

    name: str
    secret: bytes

    def decrypt(self, body: bytes) -> bytes:
        """Raises Undecryptable."""
        try:
            plain: bytes = http_ece.decrypt(
                body, private_key=self._private, auth_secret=self._auth, version="aes128gcm"
            )
        except (http_ece.ECEException, ValueError, IndexError) as error:
            raise Undecryptable from error
        return plain

    @property
    def keys(self) -> dict[str, str]:
        """The `keys` of `PushSubscription.toJSON()`."""
        public = self._private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return {"p256dh": _text(public), "auth": _text(self._auth)}

    @cached_property
    def _private(self) -> ec.EllipticCurvePrivateKey:
        """Any number below 2^255 except 0 is a private key of this curve."""
        return ec.derive_private_key(int.from_bytes(self._derived("key")) >> 1 | 1, _CURVE)

    @cached_property
    def _auth(self) -> bytes:
        return self._derived("auth")[:16]

    def _derived(self, purpose: str) -> bytes:
        return hmac.digest(self.secret, f"{purpose}:{self.name}".encode(), hashlib.sha256)


def kept_secret(path: Path) -> bytes:
    """The secret in the file, which is created at the first use."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32))
    return bytes.fromhex(path.read_text())


def _text(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
