"""Access tokens: short-lived, checked by every service without asking us."""

import time
from dataclasses import dataclass
from uuid import UUID, uuid4

from chassis.security import Role, sign
from contracts.access import ACCESS_AUDIENCE, ACCESS_ISSUER
from user_service.services.signing_keys import SigningKeys


@dataclass(frozen=True, slots=True)
class Ticket:
    """An access token before it is signed. Times in whole seconds since 1970."""

    token_id: str
    session_id: UUID
    issued_at: int
    expires_at: int


class AccessTokens:
    def __init__(self, keys: SigningKeys, *, seconds: int) -> None:
        self._keys = keys
        self.seconds = seconds

    def ticket(self, session_id: UUID) -> Ticket:
        now = int(time.time())
        return Ticket(uuid4().hex, session_id, now, now + self.seconds)

    async def prepare(self) -> None:
        """Before a transaction is opened in which `sign` is to come: it may have to look for the key. Raises Unavailable."""
        await self._keys.current()

    async def sign(self, ticket: Ticket, user_id: UUID, role: Role) -> str:
        """Raises Unavailable while the key cannot be had."""
        claims = {
            "iss": ACCESS_ISSUER,
            "aud": ACCESS_AUDIENCE,
            "sub": str(user_id),
            "iat": ticket.issued_at,
            "exp": ticket.expires_at,
            "jti": ticket.token_id,
            "sid": ticket.session_id.hex,
            "role": role,
        }
        return sign(claims, await self._keys.current())
