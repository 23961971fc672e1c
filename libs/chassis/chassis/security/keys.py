"""Keys for signing and for verifying, and the sources of the verification keys."""

import secrets
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, Protocol

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jose import jwk
from jose.backends.base import Key

Algorithm = Literal["ES256", "HS256", "EdDSA"]  # EdDSA is for services' tokens only (chassis.security.service_keys)
MINIMUM_SECRET_BYTES = 32  # RFC 7518, 3.2: at least as long as the hash; python-jose accepts a single byte
SHARED_KID = "shared"


@dataclass(frozen=True)
class SigningKey:
    """`private` is a PEM (ES256) or a secret of at least 32 bytes (HS256). Raises ValueError for anything else."""

    kid: str
    algorithm: Algorithm
    private: str = field(repr=False)

    def __post_init__(self) -> None:
        if self.algorithm == "HS256":
            _refuse_weak(self.private)
        else:
            _refuse_other_curves(self.private)

    @cached_property
    def jose_key(self) -> Key:
        return jwk.construct(self.private, self.algorithm)


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A key with its one algorithm: a token's header never decides how a key is used."""

    algorithm: Algorithm
    key: Key = field(repr=False)

    def verifies(self, message: bytes, signature: bytes) -> bool:
        try:
            return self.key.verify(message, signature)
        except Exception:  # noqa: BLE001 - python-jose lets TypeError and other errors through: a client would get a 500
            return False


class KeySource(Protocol):
    """A source of verification keys: `SharedSecret`, `Jwks`."""

    async def find(self, kid: str, algorithm: Algorithm) -> VerificationKey | None:
        """The key with that kid for that algorithm, or None if this source has none."""


class SharedSecret:
    """One HS256 secret that both sides know. Raises ValueError if it is shorter than 32 bytes, or is a PEM."""

    def __init__(self, secret: str) -> None:
        self.signing_key = SigningKey(SHARED_KID, "HS256", secret)
        self.verification_key = VerificationKey("HS256", self.signing_key.jose_key)

    async def find(self, kid: str, algorithm: Algorithm) -> VerificationKey | None:
        mine = algorithm == "HS256" and kid == self.signing_key.kid
        return self.verification_key if mine else None


def generate_es256_key() -> SigningKey:
    """A new P-256 key with a random kid."""
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return SigningKey(secrets.token_hex(8), "ES256", pem.decode())


def public_jwk(key: SigningKey) -> dict[str, str]:
    """The public half, for a JWKS document. Raises ValueError for a shared secret, which has no public half."""
    if key.algorithm != "ES256":
        raise ValueError("a shared secret has no public half")
    public = key.jose_key.public_key().to_dict()
    return {
        "kty": "EC",
        "crv": "P-256",
        "x": public["x"],
        "y": public["y"],
        "kid": key.kid,
        "alg": "ES256",
        "use": "sig",
    }


def _refuse_weak(secret: str) -> None:
    if len(secret.encode()) < MINIMUM_SECRET_BYTES:
        raise ValueError(f"a shared secret has at least {MINIMUM_SECRET_BYTES} bytes")
    if "-----BEGIN" in secret:
        raise ValueError("a PEM is a key of another kind, not a shared secret")


def _refuse_other_curves(pem: str) -> None:
    """python-jose would sign "ES256" with a P-384 key."""
    try:
        private = load_pem_private_key(pem.encode(), password=None)
    except TypeError as error:
        raise ValueError("the key is encrypted") from error
    curve = private.curve.name if isinstance(private, ec.EllipticCurvePrivateKey) else "none"
    if curve != ec.SECP256R1.name:
        raise ValueError("ES256 needs a P-256 private key")
