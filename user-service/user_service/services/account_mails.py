"""Mails about an account: the tokens in them, and handing them to the gateway."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlencode
from uuid import UUID

import structlog
from prometheus_client import CollectorRegistry, Counter
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from chassis.errors import DependencyUnavailable
from chassis.http.client import ServiceClient
from chassis.postgres.database import Database
from contracts.addresses import address_key
from contracts.recipients import EmailRecipient
from contracts.system_mails import ADDRESS_CHANGED, CONFIRM_ADDRESS, PASSWORD_RESET, VERIFY_EMAIL, SystemMail
from user_service.errors import InvalidMailedToken
from user_service.repositories import mailed_tokens, users
from user_service.repositories.mailed_tokens import DueMail, NewToken, Purpose, SpentToken
from user_service.repositories.users import StoredUser

# Tokens that prove who reads the mail of an address: each for one purpose, once, for some hours.
#
# A token is an HMAC of its row's id, so that the mail can be written again until the gateway has it, and the token is stored
# nowhere. What the row keeps is its hash.

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


# Hands the mails of tokens to the gateway, one after the other, each until it was accepted or its token has expired.
#
# The gateway accepts a mail once, by its id: a process that dies in between costs no mail and sends none twice.

log = structlog.get_logger()
LEASE = timedelta(seconds=15)  # a call of the gateway takes five at most; also the pause before the next try
TEMPLATES: Mapping[Purpose, str] = {
    "password_reset": PASSWORD_RESET,
    "verify_email": VERIFY_EMAIL,
    "confirm_address": CONFIRM_ADDRESS,
    "take_back_address": ADDRESS_CHANGED,
    "address_notice": ADDRESS_CHANGED,
}


class AccountMails:
    """`page`: where links lead, which takes action and token from behind the `#`, as no server logs that; None: no links."""

    def __init__(
        self,
        database: Database,
        gateway: ServiceClient,
        mint: TokenMint,
        registry: CollectorRegistry,
        *,
        page: str | None,
    ) -> None:
        self._total = Counter(
            "account_mails_total", "Mails of tokens by what became of them", ["outcome"], registry=registry
        )
        for outcome in ("accepted", "refused", "expired"):
            self._total.labels(outcome)  # so that the first one is seen to be more
        self._database = database
        self._gateway = gateway
        self._mint = mint
        self._page = page

    async def run_once(self) -> int:
        """Hands over the mail that is due for longest: 1 when there was one."""
        async with self._database.begin() as connection:
            if never_mailed := await mailed_tokens.remove_expired(connection):
                log.error("account_mail.expired", mails=never_mailed)
                self._total.labels("expired").inc(never_mailed)
        async with self._database.begin() as connection:
            due = await mailed_tokens.take_due(connection, lease=LEASE)
            mail = None if due is None else await self._written(connection, due)
        if mail is not None:
            await self._hand_over(mail)
        return 0 if due is None else 1

    async def _hand_over(self, mail: SystemMail) -> None:
        """What is refused, because a template was changed badly, may be taken when that is mended."""
        try:
            status, _ = await self._gateway.post("/internal/notifications", mail.model_dump_json().encode())
        except DependencyUnavailable:
            return
        if status != 202:
            log.error("account_mail.refused", template_code=mail.template_code, status=status)
            self._total.labels("refused").inc()
            return
        async with self._database.begin() as connection:
            await mailed_tokens.mail_accepted(connection, UUID(mail.request_id))
        self._total.labels("accepted").inc()
        log.info("account_mail.accepted", template_code=mail.template_code, user_id=str(mail.user_id))

    async def _written(self, connection: AsyncConnection, due: DueMail) -> SystemMail | None:
        """None: there is nobody to write to."""
        user = await _user_of(connection, due)
        if user is None:
            await mailed_tokens.remove(connection, due.id)
            return None
        address = due.address
        if due.user_id is None:
            address = user.email  # as its owner writes it, whatever was asked for that is taken for the same
            await mailed_tokens.assign(connection, due, user.id, address)
        return SystemMail(
            request_id=str(due.id),
            user_id=user.id,
            recipient=EmailRecipient(name="", email=address),
            template_code=TEMPLATES[due.purpose],
            language=user.language,
            variables=self._variables(due),
            expires_at=due.expires_at,
        )

    def _variables(self, due: DueMail) -> dict[str, str]:
        token = "" if due.purpose == "address_notice" else self._mint.token(due.id)
        action = due.purpose.replace("_", "-")
        link = f"{self._page}#{urlencode({'action': action, 'token': token})}" if self._page and token else ""
        return {"token": token, "link": link, "valid_hours": str(LIFETIMES[due.purpose] // timedelta(hours=1))}


async def _user_of(connection: AsyncConnection, due: DueMail) -> StoredUser | None:
    """Of a mail that was asked for an address: who has it, and is not disabled."""
    if due.user_id is not None:
        return await users.find(connection, due.user_id)
    user_id = await users.id_to_reset(connection, address_key(due.address))
    there = user_id is not None and await users.lock(connection, user_id)
    user = await users.find(connection, user_id) if there and user_id is not None else None
    return None if user is None or user.disabled_at is not None else user
