"""The key of the one application server that the simulated push service accepts, and the check of a request's signature."""

import os
import re
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from jose import jwt
from jose.exceptions import JOSEError

MAX_LIFETIME = 24 * 3600
_HEADER = re.compile(r"vapid t=([\w.-]+), ?k=([\w-]+)")
_CONTACT = re.compile(r"(mailto:[^@\s]+@|https://)[^@\s]+\.[a-z]+(/.*)?")


class NoVapid(Exception):
    """There is no signature, or it cannot be read."""


class BadVapid(Exception):
    """The signature is not valid here. The text is Apple's `reason`."""


def write_vapid_key(path: Path) -> str:
    """The public half of the key in the file, as an uncompressed point in base64url. The key is created at the first use."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        made = ec.generate_private_key(ec.SECP256R1())
        pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
    key = load_pem_private_key(path.read_bytes(), password=None)
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return urlsafe_b64encode(point).rstrip(b"=").decode()


def check_vapid(authorization: str, *, audience: str, public_key: str) -> None:
    """Raises NoVapid or BadVapid unless it is `vapid t=…, k=…` of this key, for this push service and for at most a day."""
    found = _HEADER.fullmatch(authorization)
    if found is None:
        raise NoVapid
    token, key = found.groups()
    if key != public_key:
        raise BadVapid("VapidPkHashMismatch")
    try:
        claims = jwt.decode(token, _verifier(key), algorithms=["ES256"], audience=audience)
    except (JOSEError, TypeError, OverflowError):  # the last two for times that are no numbers
        raise BadVapid("BadJwtToken") from None
    expires = claims.get("exp")
    if (
        not isinstance(expires, int)
        or expires > time.time() + MAX_LIFETIME
        or not _CONTACT.match(str(claims.get("sub")))
    ):
        raise BadVapid("BadJwtToken")


def _verifier(public_key: str) -> dict[str, str]:
    """The point as a JWK."""
    point = urlsafe_b64decode(public_key + "=" * (-len(public_key) % 4))
    x, y = (urlsafe_b64encode(half).rstrip(b"=").decode() for half in (point[1:33], point[33:]))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y}
