"""Links that unsubscribe a user from the e-mails of one purpose, without a login (RFC 8058).

The e-mail worker signs them with its own key, and the user service checks them with the public half. They do not expire.
"""

import base64
import binascii
from collections.abc import Iterable
from typing import Annotated, NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from pydantic import StringConstraints

from chassis.security.service_keys import ServiceKey, verification_key

Purpose = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.\-]{0,63}$")]
"""What a template's e-mails are for, such as `newsletter`: users can unsubscribe from it."""

UNSUBSCRIBE_PATH = "/api/v1/unsubscribe"
_CONTEXT = b"unsubscribe\0"  # so that a signature for anything else is none for a link
_ID_BYTES, _SIGNATURE_BYTES = 16, 64
MAX_TOKEN = 256  # characters


class Unsubscription(NamedTuple):
    """The user does not want the e-mails of this purpose any more."""

    user_id: UUID
    purpose: str


class InvalidToken(ValueError):
    """The token was not signed by one of the keys."""


def unsubscribe_token(key: ServiceKey, wanted: Unsubscription) -> str:
    said = wanted.user_id.bytes + wanted.purpose.encode()
    return base64.urlsafe_b64encode(key.sign(_CONTEXT + said) + said).rstrip(b"=").decode()


def read_token(token: str, public_keys: Iterable[str]) -> Unsubscription:
    """Raises InvalidToken."""
    if len(token) > MAX_TOKEN:
        raise InvalidToken
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidToken from None
    signature, said = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
    if len(said) <= _ID_BYTES or not any(_signed(signature, said, key) for key in public_keys):
        raise InvalidToken
    return Unsubscription(UUID(bytes=said[:_ID_BYTES]), said[_ID_BYTES:].decode())


def _signed(signature: bytes, said: bytes, public: str) -> bool:
    try:
        verification_key(public).verify(signature, _CONTEXT + said)
    except InvalidSignature:
        return False
    return True
