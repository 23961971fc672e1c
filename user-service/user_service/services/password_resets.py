"""Sets a new password for a user who has forgotten it or never had one."""

from dataclasses import replace

import structlog
from pydantic import SecretStr

from chassis.audit import Actor
from contracts.addresses import address_key
from user_service.errors import InvalidMailedToken
from user_service.repositories import mailed_tokens, users
from user_service.repositories.audit import user_target
from user_service.services.account_mails import ENDED_BY_PASSWORD, MailedActions

log = structlog.get_logger()


class PasswordResets(MailedActions):
    """Mails a token on request, and sets the new password that comes with it."""

    async def request(self, email: str, *, client: str) -> None:
        """The account is looked up only when the mail goes to the gateway, so answer and response time do not reveal whether
        it exists. Raises TooManyMails, also for an unknown address.
        """
        await self.throttle.count(email, client=client)
        async with self.database.begin() as connection:
            await self.tokens.mail(connection, "password_reset", email)

    async def confirm(self, token: str, password: SecretStr, stranger: Actor) -> None:
        """Sets the password and ends every session. A contact becomes an account.

        Raises HashingBusy, InvalidMailedToken, also if the user has another address by now, and EmailTaken if there is
        already an account with the contact's address.
        """
        await self.tokens.check(token, "password_reset")
        password_hash = await self.passwords.hash(password)
        async with self.database.begin() as connection:
            spent = await self.tokens.spend(connection, token, "password_reset")
            await users.change(connection, spent.user_id, {"password_hash": password_hash})
            if not await users.set_verified(connection, spent.user_id, address_key(spent.address)):
                raise InvalidMailedToken
            await mailed_tokens.void(connection, spent.user_id, ENDED_BY_PASSWORD)
            ended = await self.sessions.end_all(connection, spent.user_id)
            name = user_target(spent.user_id)
            await self.audit.record(connection, replace(stranger, name=name), "user.password_reset", name)
        await self.sessions.revoke(ended)
        await self.lookups.changed(spent.user_id)
        log.info("user.password_reset", user_id=str(spent.user_id))
