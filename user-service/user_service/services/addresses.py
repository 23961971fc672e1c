"""Verifies e-mail addresses and changes them.

When users change their own address, the new one takes effect once it is confirmed by mail. The old address gets a mail, and
can be restored for a week, together with a new password: the person who changed the address knew the old password. This
mail goes only to a verified address: an unverified one may belong to a stranger.
"""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import structlog
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.audit import NO_CHANGE, Actor, Change, changed
from contracts.addresses import address_key
from user_service.errors import EmailTaken, InvalidMailedToken, UserNotFound
from user_service.repositories import mailed_tokens, users
from user_service.repositories.audit import user_fields, user_target
from user_service.repositories.mailed_tokens import Purpose, SpentToken
from user_service.repositories.sessions import EndedSession
from user_service.repositories.users import StoredUser, UserChanges
from user_service.services.account_mails import ENDED_BY_ADDRESS, MailedActions

log = structlog.get_logger()


class Addresses(MailedActions):
    """What users do with the tokens that prove an address, and the mails that contain these tokens."""

    async def verify(self, token: str, stranger: Actor) -> None:
        """Raises InvalidMailedToken, also if the user has another address by now."""
        async with self.database.begin() as connection:
            spent = await self.tokens.spend(connection, token, "verify_email")
            if not await users.set_verified(connection, spent.user_id, address_key(spent.address)):
                raise InvalidMailedToken
            await self._record(connection, stranger, spent, "user.email_verified")
        log.info("user.email_verified", user_id=str(spent.user_id))

    async def mail_again(self, user: StoredUser, *, client: str) -> None:
        """Mails a new token to confirm the user's address. Earlier tokens become invalid.

        Raises TooManyMails, UserNotFound.
        """
        await self.throttle.count(user.email, client=client)
        async with self.database.begin() as connection:
            if not await users.lock(connection, user.id):
                raise UserNotFound
            await mailed_tokens.void(connection, user.id, ["verify_email"])
            await self.tokens.mail(connection, "verify_email", user.email, user_id=user.id)

    async def check_new_address(self, address: str, *, client: str) -> None:
        """Checks that a confirmation may be mailed to a user's new address. Raises TooManyMails, EmailTaken."""
        await self.throttle.count(address, client=client)
        async with self.database.begin() as connection:
            if await users.id_of(connection, address_key(address)) is not None:
                raise EmailTaken

    async def ask_to_confirm(self, connection: AsyncConnection, user_id: UUID, address: str) -> None:
        """Mails a token to the new address. Earlier pending addresses are dropped."""
        await mailed_tokens.void(connection, user_id, ["confirm_address"])
        await self.tokens.mail(connection, "confirm_address", address, user_id=user_id)

    async def mail_old_address(self, connection: AsyncConnection, user: StoredUser, purpose: Purpose) -> None:
        """Mails the change to the old address in `user`, if it was verified. Earlier tokens of the user become invalid."""
        await mailed_tokens.void(connection, user.id, ENDED_BY_ADDRESS)
        if user.email_verified_at is not None:
            await self.tokens.mail(connection, purpose, user.email, user_id=user.id)

    async def confirm(self, token: str, stranger: Actor) -> StoredUser:
        """The user, with the new address. Raises InvalidMailedToken, and EmailTaken if another user already has it."""
        async with self.database.begin() as connection:
            spent = await self.tokens.spend(connection, token, "confirm_address")
            before = await _found(connection, spent.user_id)
            await _move(connection, spent)
            await self.mail_old_address(connection, before, "take_back_address")
            after = await _found(connection, before.id)
            change = changed(user_fields(before), user_fields(after))
            await self._record(connection, stranger, spent, "user.address_changed", change)
        await self.lookups.changed(after.id)
        log.info("user.address_changed", user_id=str(after.id))
        return after

    async def take_back(self, token: str, password: SecretStr, stranger: Actor) -> None:
        """Restores the old address and sets a new password. Ends every session, and invalidates tokens mailed to other
        addresses since.

        Raises InvalidMailedToken, HashingBusy, and EmailTaken if another user has the address.
        """
        await self.tokens.check(token, "take_back_address")
        password_hash = await self.passwords.hash(password)
        async with self.database.begin() as connection:
            spent = await self.tokens.spend(connection, token, "take_back_address")
            before = await _found(connection, spent.user_id)
            await _move(connection, spent)
            await users.change(connection, spent.user_id, {"password_hash": password_hash})
            await mailed_tokens.void(connection, spent.user_id, ENDED_BY_ADDRESS)
            await mailed_tokens.void_after(connection, spent, "take_back_address")
            ended: Sequence[EndedSession] = await self.sessions.end_all(connection, spent.user_id)
            change = changed(user_fields(before), user_fields(await _found(connection, spent.user_id)))
            await self._record(connection, stranger, spent, "user.address_taken_back", change)
        await self.sessions.revoke(ended)
        await self.lookups.changed(spent.user_id)
        log.warning("user.address_taken_back", user_id=str(spent.user_id))

    async def _record(
        self,
        connection: AsyncConnection,
        stranger: Actor,
        spent: SpentToken,
        action: str,
        change: Change | None = NO_CHANGE,
    ) -> None:
        """Records the user as the actor, because the mail's reader is the user."""
        name = user_target(spent.user_id)
        await self.audit.record(connection, replace(stranger, name=name), action, name, change)


async def _found(connection: AsyncConnection, user_id: UUID) -> StoredUser:
    user = await users.find(connection, user_id)
    if user is None:
        raise InvalidMailedToken
    return user


async def _move(connection: AsyncConnection, spent: SpentToken) -> None:
    """Sets the token's address as the user's. The token verifies it."""
    await users.change(connection, spent.user_id, address_columns(spent.address))
    await users.set_verified(connection, spent.user_id, address_key(spent.address))


def address_columns(address: str) -> UserChanges:
    """The columns for a new address that is not verified yet."""
    return {"email": address, "email_key": address_key(address), "email_verified_at": None}
