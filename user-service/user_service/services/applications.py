"""Creates, changes and removes applications. Changes that affect their keys reach other services within seconds."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from chassis.audit import Actor, AuditTrail, changed
from chassis.postgres.database import Database
from chassis.security import Identity
from contracts.senders import check_domain
from user_service.errors import ApplicationNotFound
from user_service.repositories import api_keys, applications
from user_service.repositories.applications import ApplicationChanges, StoredApplication
from user_service.repositories.audit import application_fields
from user_service.schemas.applications import ApplicationChange, ApplicationSender, NewApplication
from user_service.services.api_keys import ApiKeys

log = structlog.get_logger()


class Applications:
    """`sender_domains`: the domains whose addresses applications may send from."""

    def __init__(
        self, database: Database, api_keys: ApiKeys, audit: AuditTrail, *, sender_domains: Collection[str]
    ) -> None:
        self._database = database
        self._api_keys = api_keys
        self._audit = audit
        self._sender_domains = sender_domains

    async def add(self, maker: Identity, given: NewApplication, actor: Actor) -> StoredApplication:
        """Raises SenderDomainNotAllowed."""
        self._check(given.sender)
        async with self._database.begin() as connection:
            made = await applications.add(
                connection,
                uuid7(),
                UUID(maker.user_id),
                ApplicationChanges(
                    name=given.name,
                    rate_limit_per_minute=given.rate_limit_per_minute,
                    channels=_listed(given.channels),
                    **_sender_columns(given.sender),
                ),
            )
            change = changed({}, application_fields(made))
            await self._audit.record(connection, actor, "application.created", _target(made.id), change)
        log.info("application.created", application_id=str(made.id))
        return made

    async def find(self, application_id: UUID) -> StoredApplication:
        """Raises ApplicationNotFound."""
        async with self._database.begin() as connection:
            found = await applications.find(connection, application_id)
        if found is None:
            raise ApplicationNotFound
        return found

    async def page(self, *, limit: int, offset: int) -> tuple[Sequence[StoredApplication], int]:
        """One page, newest first, and the total number."""
        async with self._database.begin() as connection:
            found = await applications.page(connection, limit=limit, offset=offset)
            return found, await applications.count(connection)

    async def change(self, application_id: UUID, given: ApplicationChange, actor: Actor) -> StoredApplication:
        """Raises ApplicationNotFound, SenderDomainNotAllowed."""
        self._check(given.sender)
        async with self._database.begin() as connection:
            before = await applications.lock(connection, application_id)
            after = await applications.change(connection, application_id, _columns(given))
            if before is None or after is None:
                raise ApplicationNotFound
            change = changed(application_fields(before), application_fields(after))
            await self._audit.record(connection, actor, "application.changed", _target(application_id), change)
            key_hashes = await api_keys.hashes_of_application(connection, application_id)
        await self._api_keys.forget(key_hashes)
        log.info("application.changed", application_id=str(application_id), fields=sorted(given.model_fields_set))
        return after

    async def remove(self, application_id: UUID, actor: Actor) -> None:
        """Removes the application and its keys. Raises ApplicationNotFound."""
        async with self._database.begin() as connection:
            before = await applications.lock(connection, application_id)
            if before is None:
                raise ApplicationNotFound
            key_hashes = await api_keys.hashes_of_application(connection, application_id)
            await applications.remove(connection, application_id)
            change = changed(application_fields(before), {})
            await self._audit.record(connection, actor, "application.deleted", _target(application_id), change)
        await self._api_keys.forget(key_hashes)
        log.info("application.deleted", application_id=str(application_id))

    def _check(self, sender: ApplicationSender | None) -> None:
        if sender is not None:
            check_domain(sender.from_email, self._sender_domains)


def _target(application_id: UUID) -> str:
    return f"application:{application_id}"


def _columns(given: ApplicationChange) -> ApplicationChanges:
    changes = ApplicationChanges()
    if given.name is not None:
        changes["name"] = given.name
    if "rate_limit_per_minute" in given.model_fields_set:
        changes["rate_limit_per_minute"] = given.rate_limit_per_minute
    if "channels" in given.model_fields_set:
        changes["channels"] = _listed(given.channels)
    if "sender" in given.model_fields_set:
        changes |= _sender_columns(given.sender)
    if given.disabled is not None:
        changes["disabled_at"] = datetime.now(UTC) if given.disabled else None
    return changes


def _sender_columns(sender: ApplicationSender | None) -> ApplicationChanges:
    given = sender or ApplicationSender()
    return ApplicationChanges(
        sender_name=given.from_name, sender_email=given.from_email, sender_reply_to=given.reply_to
    )


def _listed(channels: Sequence[str] | None) -> list[str] | None:
    return sorted(set(channels)) if channels is not None else None
