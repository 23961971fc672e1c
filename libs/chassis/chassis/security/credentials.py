"""The credentials of a request: which header they are in, and of which kind they are.

An API key is `nk_live_<id>_<secret><checksum>`. The id is not secret and may be shown. The checksum (CRC-32) makes it
possible to refuse an invented or mistyped key without a look-up. Keys of earlier releases are `nk_` and 43 characters of
base64url.
"""

import re
import string
import zlib
from dataclasses import dataclass

from chassis.errors import Unauthorized

MAX_HEADER_CHARACTERS = 8192
ALPHABET = string.digits + string.ascii_letters
ID_CHARACTERS, SECRET_CHARACTERS, CHECKSUM_CHARACTERS = 12, 32, 6
_API_KEY = re.compile(
    rf"nk_(live|test)_[0-9A-Za-z]{{{ID_CHARACTERS}}}_[0-9A-Za-z]{{{SECRET_CHARACTERS + CHECKSUM_CHARACTERS}}}"
)
_OLD_API_KEY = re.compile(r"nk_(?!live_|test_)[A-Za-z0-9_-]{22,128}")


@dataclass(frozen=True, slots=True)
class BearerToken:
    token: str


@dataclass(frozen=True, slots=True)
class ApiKey:
    key: str


def credential_of(authorization: str | None, api_key: str | None) -> BearerToken | ApiKey:
    """`Authorization: Bearer <token or API key>`, or else `X-API-Key: <API key>`. Otherwise raises Unauthorized."""
    if authorization is None:
        return _api_key(api_key or "")
    token = bearer_of(authorization)
    return _api_key(token) if token.startswith("nk_") else BearerToken(token)


def bearer_of(authorization: str | None) -> str:
    """The credential after "Bearer " in an Authorization header. Raises Unauthorized if it is missing or malformed."""
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip(" ")
    if scheme.lower() != "bearer" or not token or len(token) > MAX_HEADER_CHARACTERS:
        raise Unauthorized
    return token


def with_checksum(body: str) -> str:
    rest, checksum = zlib.crc32(body.encode()), ""
    for _ in range(CHECKSUM_CHARACTERS):
        rest, digit = divmod(rest, len(ALPHABET))
        checksum = ALPHABET[digit] + checksum
    return body + checksum


def _api_key(text: str) -> ApiKey:
    is_whole = _API_KEY.fullmatch(text) is not None and with_checksum(text[:-CHECKSUM_CHARACTERS]) == text
    if not is_whole and _OLD_API_KEY.fullmatch(text) is None:
        raise Unauthorized
    return ApiKey(text)
