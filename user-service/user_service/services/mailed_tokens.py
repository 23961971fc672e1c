"""Tokens that prove who reads the mail of an address: each for one purpose, once, for some hours.

A token is an HMAC of its row's id, so that the mail can be written again until the gateway has it, and the token is stored
nowhere. What the row keeps is its hash.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from chassis.database import Database
from user_service.errors import InvalidMailedToken
from user_service.repositories import mailed_tokens, users
from user_service.repositories.mailed_tokens import NewToken, Purpose, SpentToken

LIFETIMES: Mapping[Purpose, timedelta] = {
    "password_reset": timedelta(hours=1),
    "verify_email": timedelta(days=3),
    "confirm_address": timedelta(days=1),
    "take_back_address": timedelta(days=7),
    "address_notice": timedelta(days=1),
}

# What must not outlive a new password, and another address: whoever asked for it may be whom that is to keep out.
ENDED_BY_PASSWORD: tuple[Purpose, ...] = ("password_reset", "confirm_address")
ENDED_BY_ADDRESS: tuple[Purpose, ...] = ("password_reset", "confirm_address", "verify_email")


class TokenMint:
    def __init__(self, key: bytes) -> None:
        self._key = key

    def token(self, token_id: UUID) -> str:
        tag = hmac.digest(self._key, token_id.bytes, "sha256")
        return base64.urlsafe_b64encode(tag).rstrip(b"=").decode()


class MailedTokens:
    def __init__(self, database: Database, mint: TokenMint) -> None:
        self._database = database
        self._mint = mint

    async def mail(
        self, connection: AsyncConnection, purpose: Purpose, address: str, *, user_id: UUID | None = None
    ) -> None:
        """Records a token and its mail in the transaction of what it is for."""
        token_id = uuid7()
        token_hash = None if purpose == "address_notice" else _hash(self._mint.token(token_id))
        await mailed_tokens.add(
            connection, NewToken(token_id, purpose, user_id, address, token_hash, LIFETIMES[purpose])
        )

    async def check(self, token: str, purpose: Purpose) -> None:
        """Before a password is hashed for it. Raises InvalidMailedToken."""
        async with self._database.begin() as connection:
            if await mailed_tokens.owner_of(connection, _hash(token), purpose) is None:
                raise InvalidMailedToken

    async def spend(self, connection: AsyncConnection, token: str, purpose: Purpose) -> SpentToken:
        """Raises InvalidMailedToken. Its user is locked first, as by whoever removes one."""
        owner = await mailed_tokens.owner_of(connection, _hash(token), purpose)
        if owner is None or not await users.lock(connection, owner):
            raise InvalidMailedToken
        spent = await mailed_tokens.spend(connection, _hash(token), purpose)
        if spent is None:
            raise InvalidMailedToken
        return spent


def _hash(token: str) -> str:
    """A fast hash is enough: nobody guesses 256 bits."""
    return hashlib.sha256(token.encode()).hexdigest()
