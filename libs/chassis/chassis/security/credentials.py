"""What a request shows of its caller: which header, and which kind of credential is in it."""

import re
from dataclasses import dataclass

from chassis.errors import Unauthorized

MAX_HEADER_CHARACTERS = 8192
_API_KEY = re.compile(r"nk_[A-Za-z0-9_-]{22,128}")


@dataclass(frozen=True, slots=True)
class BearerToken:
    token: str


@dataclass(frozen=True, slots=True)
class ApiKey:
    key: str


def credential_of(authorization: str | None, api_key: str | None) -> BearerToken | ApiKey:
    """`Authorization: Bearer <token or API key>`, else `X-API-Key: <API key>`. Raises Unauthorized otherwise."""
    if authorization is None:
        return _api_key(api_key or "")
    token = bearer_of(authorization)
    return _api_key(token) if token.startswith("nk_") else BearerToken(token)


def bearer_of(authorization: str | None) -> str:
    """What follows "Bearer " in an Authorization header. Raises Unauthorized when that is missing or not so."""
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip(" ")
    if scheme.lower() != "bearer" or not token or len(token) > MAX_HEADER_CHARACTERS:
        raise Unauthorized
    return token


def _api_key(text: str) -> ApiKey:
    if _API_KEY.fullmatch(text) is None:
        raise Unauthorized
    return ApiKey(text)
