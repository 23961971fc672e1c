"""Hands the mails of tokens to the gateway, one after the other, each until it was accepted or its token has expired.

The gateway accepts a mail once, by its id: a process that dies in between costs no mail and sends none twice.
"""

from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlencode
from uuid import UUID

import structlog
from prometheus_client import CollectorRegistry, Counter
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from chassis.errors import DependencyUnavailable
from chassis.http_client import ServiceClient
from contracts.addresses import address_key
from contracts.recipients import EmailRecipient
from contracts.system_mails import ADDRESS_CHANGED, CONFIRM_ADDRESS, PASSWORD_RESET, VERIFY_EMAIL, SystemMail
from user_service.repositories import mailed_tokens, users
from user_service.repositories.mailed_tokens import DueMail, Purpose
from user_service.repositories.users import StoredUser
from user_service.services.mailed_tokens import LIFETIMES, TokenMint

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
