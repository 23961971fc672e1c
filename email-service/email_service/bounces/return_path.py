"""The return path of a mail (MAIL FROM): it names the notification and its recipient, and nobody else can make one.

`bounces+<token>@<BOUNCE_DOMAIN>`, where the token is base32 in lower case of

    notification id (16 bytes) | first bytes of the recipient's fingerprint (10) | HMAC-SHA-256 of both (8)

With the eight letters before it, it is 63 octets long; a local part may have 64. It is the same on every attempt. Servers may
change the case of a local part, so the case does not matter. The fingerprint ties a bounce to one address: whoever has seen
one return path cannot report another person's address as dead. Eight bytes of HMAC cannot be guessed through a mail server.
A mail with copies has another HMAC: what comes back may be about one of the copies.
"""

import base64
import binascii
from dataclasses import dataclass
from hmac import compare_digest, digest
from uuid import UUID

LOCAL_PART = "bounces"
COMPLAINTS = "complaints"  # the address to register with mailbox providers for their reports
ID_BYTES, RECIPIENT_BYTES, TAG_BYTES = 16, 10, 8
RECIPIENT_DIGITS = 2 * RECIPIENT_BYTES
_LENGTH = ID_BYTES + RECIPIENT_BYTES + TAG_BYTES
_CHARACTERS = -(-_LENGTH * 8 // 5)
_PADDING = "=" * (-_CHARACTERS % 8)


@dataclass(frozen=True, slots=True)
class BounceToken:
    """The notification that a mail came back for. `recipient_digits`: the first digits of the fingerprint of its address.

    `copies`: others got the mail, too.
    """

    notification_id: UUID
    recipient_digits: str
    copies: bool = False


class ReturnPath:
    """Makes and reads return paths below `domain`. `secret` is a key of the service's own."""

    def __init__(self, domain: str, secret: bytes) -> None:
        self._domain = domain.lower()
        self._key = digest(secret, b"return path of mails", "sha256")

    def address(self, notification_id: UUID, fingerprint: str, *, copies: bool = False) -> str:
        named = notification_id.bytes + bytes.fromhex(fingerprint[:RECIPIENT_DIGITS])
        token = base64.b32encode(named + self._tag(named, copies=copies)).decode().rstrip("=").lower()
        return f"{LOCAL_PART}+{token}@{self._domain}"

    def read(self, address: str) -> BounceToken | None:
        """The token of an address of ours; None for anything else, forged ones included."""
        local, _, domain = address.strip().strip("<>").rpartition("@")
        name, _, text = local.partition("+")
        if domain.lower() != self._domain or name.lower() != LOCAL_PART or len(text) != _CHARACTERS:
            return None
        try:
            raw = base64.b32decode(text.upper() + _PADDING)
        except (binascii.Error, ValueError):
            return None
        named, tag = raw[: ID_BYTES + RECIPIENT_BYTES], raw[ID_BYTES + RECIPIENT_BYTES :]
        for copies in (False, True):
            if compare_digest(tag, self._tag(named, copies=copies)):
                return BounceToken(UUID(bytes=named[:ID_BYTES]), named[ID_BYTES:].hex(), copies)
        return None

    def takes_complaints(self, address: str) -> bool:
        local, _, domain = address.strip().strip("<>").rpartition("@")
        return local.lower() == COMPLAINTS and domain.lower() == self._domain

    def _tag(self, named: bytes, *, copies: bool) -> bytes:
        return digest(self._key, named + (b"copies" if copies else b""), "sha256")[:TAG_BYTES]
