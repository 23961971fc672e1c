"""JSON Web Tokens: signing and strict parsing. Only this module passes tokens to python-jose.

python-jose alone accepts junk after the signature, ignores `kid`, `typ` and `crit`, and fails with a RecursionError on
deep nesting. So the header is compared with constants here, and python-jose only computes signatures. python-jose does
not support EdDSA, which services sign with.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from jose import jws
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chassis.errors import Unauthorized
from chassis.security.keys import Algorithm, SigningKey
from chassis.security.service_keys import ServiceKey

MAX_TOKEN_CHARACTERS = 4096

_THREE_SEGMENTS = re.compile(r"([A-Za-z0-9_-]{1,512})\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{1,512})")


class TokenKind(StrEnum):
    """The header's `typ`: a token of one kind is never accepted as the other kind (RFC 8725, 3.11)."""

    ACCESS = "access+jwt"
    SERVICE = "service+jwt"


class _Header(BaseModel):
    """Exactly these three fields. Any other field, above all `crit`, is refused."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    alg: Algorithm
    typ: TokenKind
    kid: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,128}$")]


@dataclass(frozen=True, slots=True)
class UncheckedToken:
    """A well-formed token. Do not trust its content before its signature is verified."""

    algorithm: Algorithm
    kid: str
    payload: bytes
    signed: bytes
    signature: bytes


def sign(claims: Mapping[str, object], key: SigningKey) -> str:
    """An access token with these claims. `claims` are JSON values; times are whole seconds since 1970."""
    headers = {"typ": TokenKind.ACCESS.value, "kid": key.kid}
    return jws.sign(dict(claims), key.jose_key, headers=headers, algorithm=key.algorithm)


def sign_for_service(claims: Mapping[str, object], key: ServiceKey) -> str:
    """A service's token with these claims, like `sign`. Its `kid` is the public key."""
    header = {"alg": "EdDSA", "typ": TokenKind.SERVICE.value, "kid": key.public}
    signed = f"{_encode(header)}.{_encode(claims)}"
    signature = base64.urlsafe_b64encode(key.sign(signed.encode())).rstrip(b"=")
    return f"{signed}.{signature.decode()}"


def _encode(content: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def take_apart(token: str, kind: TokenKind) -> UncheckedToken:
    """Parses `token`. Raises Unauthorized unless it is a well-formed token of that kind in its canonical form."""
    segments = _THREE_SEGMENTS.fullmatch(token) if len(token) <= MAX_TOKEN_CHARACTERS else None
    if segments is None:
        raise Unauthorized
    header_text, payload_text, signature_text = segments.groups()
    try:
        header = _Header.model_validate_json(_decode(header_text))
        payload, signature = _decode(payload_text), _decode(signature_text)
    except (ValidationError, ValueError):
        raise Unauthorized from None
    if header.typ is not kind or (header.alg == "EdDSA") is not (kind is TokenKind.SERVICE):
        raise Unauthorized
    signed = f"{header_text}.{payload_text}".encode()
    return UncheckedToken(header.alg, header.kid, payload, signed, signature)


def _decode(segment: str) -> bytes:
    """Raises ValueError for a non-canonical form: spare bits at the end would give one token many spellings."""
    try:
        decoded = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except binascii.Error as error:
        raise ValueError("not base64url") from error
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != segment.encode():
        raise ValueError("not canonical base64url")
    return decoded
