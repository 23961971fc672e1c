"""Signing up."""

from dataclasses import dataclass

import structlog
from pydantic import SecretStr
from uuid_utils.compat import uuid7

from chassis.audit import Actor, AuditTrail, changed
from chassis.postgres.database import Database
from contracts.addresses import address_key
from user_service.errors import EmailTaken
from user_service.repositories import users
from user_service.repositories.audit import user_fields, user_target
from user_service.repositories.users import NewUser, StoredUser
from user_service.schemas.users import SignUp
from user_service.services.account_mails import MailedTokens
from user_service.services.passwords import Passwords
from user_service.services.push_tokens import PushTokens
from user_service.services.throttle import MailThrottle
from user_service.services.users import stored

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Greeting:
    """The mail that a new user gets: it asks to confirm the address."""

    tokens: MailedTokens
    throttle: MailThrottle


class SignUps:
    """Creates users who sign up themselves. Without a `greeting` they get no mail."""

    def __init__(
        self,
        database: Database,
        passwords: Passwords,
        push_tokens: PushTokens,
        audit: AuditTrail,
        greeting: Greeting | None,
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._push_tokens = push_tokens
        self._audit = audit
        self._greeting = greeting

    async def add(self, given: SignUp, password: SecretStr, actor: Actor) -> StoredUser:
        """The new user, with the role `user`.

        Raises EmailTaken, HashingBusy, and a 422 for a push endpoint that is not allowed. Beyond the limit of mails per
        client address, the user is created without a mail and may ask for one later.
        """
        device = None if given.push_token is None else await self._push_tokens.device(given.push_token)
        await self._refuse_taken(given.email)
        new = new_user(given, await self._passwords.hash(password.get_secret_value()))
        registration = None
        greeting = self._greeting
        greets = greeting is not None and await greeting.throttle.allows(given.email, client=actor.address or "")
        async with self._database.begin() as connection:
            await users.add(connection, new)
            if greeting is not None and greets:
                await greeting.tokens.mail(connection, "verify_email", given.email, user_id=new.id)
            if device is not None:
                registration = await self._push_tokens.replace_within(connection, new.id, device, actor)
            user = await stored(connection, new.id)
            change = changed({}, user_fields(user))
            await self._audit.record(connection, actor, "user.created", user_target(new.id), change)
        await self._push_tokens.after_registration(registration, actor)
        log.info("user.signed_up", user_id=str(new.id))
        return user

    async def _refuse_taken(self, email: str) -> None:
        """An early check that saves the hash. The insert decides."""
        async with self._database.begin() as connection:
            if await users.id_of(connection, address_key(email)) is not None:
                raise EmailTaken


def new_user(given: SignUp, password_hash: str) -> NewUser:
    return NewUser(
        id=uuid7(),
        name=given.name,
        email=given.email,
        email_key=address_key(given.email),
        password_hash=password_hash,
        language=given.language,
        wants_email=given.preferences.email,
        wants_push=given.preferences.push,
    )
