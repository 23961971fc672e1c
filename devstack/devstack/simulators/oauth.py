"""A simulation of Google's OAuth2 token endpoint, and the service account that it trusts."""

import binascii
import json
import os
import secrets
import time
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

PROJECT_ID = "simulated-project"


@dataclass(frozen=True)
class ServiceAccount:
    """The fields of Google's key file that a JWT-bearer grant needs, under Google's names."""

    project_id: str
    private_key_id: str
    private_key: str
    client_email: str
    token_uri: str
    type: str = "service_account"

    @cached_property
    def public_key(self) -> RSAPublicKey:
        return _load(self.private_key).public_key()


def make_service_account(base_url: str, *, private_key: str | None = None) -> ServiceAccount:
    """An account with the simulator at `base_url` as its `token_uri`, and a new RSA key unless a PEM is given."""
    key = _load(private_key) if private_key else generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return ServiceAccount(
        project_id=PROJECT_ID,
        private_key_id=sha256(public).hexdigest()[:40],
        private_key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        client_email=f"push@{PROJECT_ID}.iam.gserviceaccount.com",
        token_uri=f"{base_url.rstrip('/')}/token",
    )


def write_service_account(path: Path, base_url: str) -> ServiceAccount:
    """The account stored at `path`, for this address.

    Its key is created at the first use and survives restarts. Only the file's owner can read it.
    """
    known = json.loads(path.read_text())["private_key"] if path.exists() else None
    account = make_service_account(base_url, private_key=known)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)  # left by a crash, perhaps with another mode
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(account), file, indent=2)
    draft.replace(path)
    return account


def _load(pem: str) -> RSAPrivateKey:
    key = load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError("a service account signs with RSA")
    return key


GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
LIFETIME = 3600
_SKEW = 60
_MAX_ASSERTION = 8192


class InvalidGrant(Exception):
    """The assertion is not valid; the text says why."""


class IssuedTokens:
    """The valid bearer tokens. They end with the process, as a real token may end early."""

    def __init__(self) -> None:
        self._expiry: dict[str, float] = {}

    def issue(self) -> str:
        now = time.monotonic()
        self._expiry = {token: expiry for token, expiry in self._expiry.items() if expiry > now}
        token = f"ya29.{secrets.token_urlsafe(32)}"
        self._expiry[token] = now + LIFETIME
        return token

    def good(self, authorization: str) -> bool:
        """Whether the header's value is `Bearer` and a token that was issued here and has not expired."""
        scheme, _, token = authorization.partition(" ")
        return scheme.lower() == "bearer" and self._expiry.get(token, 0) > time.monotonic()

    def revoke_all(self) -> None:
        self._expiry.clear()


def check_assertion(assertion: str, account: ServiceAccount) -> None:
    """Raises InvalidGrant unless it is a current RS256 JWT of this account for this endpoint, valid for at most an hour."""
    if len(assertion) > _MAX_ASSERTION or assertion.count(".") != 2:
        raise InvalidGrant("Invalid JWT: not three parts.")
    signed, _, signature = assertion.rpartition(".")
    header, _, claims = signed.partition(".")
    if _part(header).get("alg") != "RS256":
        raise InvalidGrant("Invalid JWT: alg must be RS256.")
    _check_signature(signed, signature, account)
    _check_claims(_part(claims), account)


def _check_signature(signed: str, signature: str, account: ServiceAccount) -> None:
    try:
        account.public_key.verify(_bytes(signature), signed.encode(), PKCS1v15(), SHA256())
    except InvalidSignature:
        raise InvalidGrant("Invalid JWT Signature.") from None


def _check_claims(claims: Mapping[str, object], account: ServiceAccount) -> None:
    if claims.get("iss") != account.client_email:
        raise InvalidGrant("Invalid grant: account not found.")
    if claims.get("aud") != account.token_uri:
        raise InvalidGrant("Invalid JWT: aud is not this token endpoint.")
    if SCOPE not in str(claims.get("scope", "")).split():
        raise InvalidGrant("Invalid OAuth scope.")
    _check_times(claims.get("iat"), claims.get("exp"))


def _check_times(issued: object, expires: object) -> None:
    if not isinstance(issued, int | float) or not isinstance(expires, int | float):
        raise InvalidGrant("Invalid JWT: iat and exp must be numbers.")
    now = time.time()
    if issued > now + _SKEW or expires < now - _SKEW or expires - issued > LIFETIME:
        raise InvalidGrant("Invalid JWT: it must be short-lived (60 minutes) and in a reasonable timeframe.")


def _part(text: str) -> Mapping[str, object]:
    try:
        found = json.loads(_bytes(text))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidGrant("Invalid JWT: a part is not a JSON object.")
    return found


def _bytes(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise InvalidGrant("Invalid JWT: a part is not base64url.") from None
