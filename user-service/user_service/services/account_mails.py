"""Account mails: the tokens in them, and the hand-over of the mails to the gateway.

A mailed token proves that its holder reads the mail of an address. It works for one purpose, once, until it expires. It is an
HMAC of its row's id. The mail can therefore be written again until the gateway has accepted it, although the token is not
stored. The row stores only the token's hash.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode
from uuid import UUID

import structlog
from prometheus_client import CollectorRegistry, Counter
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from chassis.audit import AuditTrail
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
from user_service.services.sessions import Sessions
from user_service.services.throttle import MailThrottle, ThrottledPasswords
from user_service.services.users import UserLookups

log = structlog.get_logger()

LEASE = timedelta(seconds=15)  # a call to the gateway takes at most five seconds; also the pause before the next try
LIFETIMES: Mapping[Purpose, timedelta] = {
    "password_reset": timedelta(hours=1),
    "verify_email": timedelta(days=3),
    "confirm_address": timedelta(days=1),
    "take_back_address": timedelta(days=7),
    "address_notice": timedelta(days=1),
}
TEMPLATES: Mapping[Purpose, str] = {
    "password_reset": PASSWORD_RESET,
    "verify_email": VERIFY_EMAIL,
    "confirm_address": CONFIRM_ADDRESS,
    "take_back_address": ADDRESS_CHANGED,
    "address_notice": ADDRESS_CHANGED,
}

# Tokens that end with a new password or a new address: an attacker whom that change keeps out may have requested them.
ENDED_BY_PASSWORD: tuple[Purpose, ...] = ("password_reset", "confirm_address")
ENDED_BY_ADDRESS: tuple[Purpose, ...] = ("password_reset", "confirm_address", "verify_email")


class TokenMint:
    """Makes the token of a row, the same each time."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def token(self, token_id: UUID) -> str:
        tag = hmac.digest(self._key, token_id.bytes, "sha256")
        return base64.urlsafe_b64encode(tag).rstrip(b"=").decode()


class MailedTokens:
    """Records mailed tokens with their mails, and uses them up."""

    def __init__(self, database: Database, mint: TokenMint) -> None:
        self._database = database
        self._mint = mint

    async def mail(
        self, connection: AsyncConnection, purpose: Purpose, address: str, *, user_id: UUID | None = None
    ) -> None:
        """Records a token and its mail in the caller's transaction."""
        token_id = uuid7()
        token_hash = None if purpose == "address_notice" else _hash(self._mint.token(token_id))
        await mailed_tokens.add(
            connection, NewToken(token_id, purpose, user_id, address, token_hash, LIFETIMES[purpose])
        )

    async def check(self, token: str, purpose: Purpose) -> None:
        """Checks a token before a password is hashed. Raises InvalidMailedToken."""
        async with self._database.begin() as connection:
            if await mailed_tokens.owner_of(connection, _hash(token), purpose) is None:
                raise InvalidMailedToken

    async def spend(self, connection: AsyncConnection, token: str, purpose: Purpose) -> SpentToken:
        """Uses the token up. Locks its user first, in the same order as the removal of a user. Raises InvalidMailedToken."""
        owner = await mailed_tokens.owner_of(connection, _hash(token), purpose)
        if owner is None or not await users.lock(connection, owner):
            raise InvalidMailedToken
        spent = await mailed_tokens.spend(connection, _hash(token), purpose)
        if spent is None:
            raise InvalidMailedToken
        return spent


def _hash(token: str) -> str:
    """A fast hash is enough, because 256 bits cannot be guessed."""
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class MailedActions:
    """The dependencies of actions that a mailed token proves."""

    database: Database
    tokens: MailedTokens
    throttle: MailThrottle
    passwords: ThrottledPasswords
    sessions: Sessions
    lookups: UserLookups
    audit: AuditTrail


class AccountMails:
    """Hands the mails to the gateway, one by one. Each is retried until the gateway accepts it or its token expires.

    The gateway recognises a mail by its id and accepts it once: if a process dies, no mail is lost or sent twice. `page` is
    the page that links open. It reads action and token after the `#`, which no server logs. None: no links.
    """

    def __init__(
        self,
        database: Database,
        gateway: ServiceClient,
        mint: TokenMint,
        registry: CollectorRegistry,
        *,
        page: str | None,
    ) -> None:
        self._total = Counter("account_mails_total", "Account mails by outcome", ["outcome"], registry=registry)
        for outcome in ("accepted", "refused", "expired"):
            self._total.labels(outcome)  # starts at 0, so that the first increment is visible
        self._database = database
        self._gateway = gateway
        self._mint = mint
        self._page = page

    async def run_once(self) -> int:
        """Hands over the mail that has been due for longest. Returns 1 if there was one, else 0."""
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
        """A refused mail is tried again: the gateway may accept it once a broken template is repaired."""
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
        """The mail, or None if there is no user to write to."""
        user = await _user_of(connection, due)
        if user is None:
            await mailed_tokens.remove(connection, due.id)
            return None
        address = due.address
        if due.user_id is None:
            address = user.email  # in the owner's spelling, not in the spelling of the request
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
    """The user of the mail. If the mail was requested for an address: the user who has it, unless disabled."""
    if due.user_id is not None:
        return await users.find(connection, due.user_id)
    user_id = await users.id_to_reset(connection, address_key(due.address))
    there = user_id is not None and await users.lock(connection, user_id)
    user = await users.find(connection, user_id) if there and user_id is not None else None
    return None if user is None or user.disabled_at is not None else user
