"""The table of a service's audit events and all of its SQL: add, find, remove old events. Events are never changed."""

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import ClassVar, cast
from uuid import UUID

import structlog
from pydantic_core import to_jsonable_python
from sqlalchemy import ColumnElement, DateTime, FromClause, Index, Select, Table, Text, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import Mapped, declared_attr, mapped_column
from sqlalchemy.schema import SchemaItem
from uuid_utils.compat import uuid7

from chassis.audit.events import NO_CHANGE, Actor, AuditEvent, AuditFindings, AuditQuestion, Change, Personal
from chassis.observability.correlation import correlation_id
from chassis.postgres.database import Database
from chassis.process.periodic import PeriodicTask

log = structlog.get_logger()

MAX_COUNTED = 10_000
FINGERPRINT_CHARACTERS = 16
MAX_GROUP = 1_000
SWEEP_SECONDS = 600.0


class AuditColumns:
    """Mixin for a service's model. The table's name begins with the service's name: services may share a database."""

    __tablename__: str
    __table__: ClassVar[FromClause]

    id: Mapped[UUID] = mapped_column(primary_key=True)
    occurred_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    actor: Mapped[str] = mapped_column(Text)
    api_key_id: Mapped[UUID | None]
    address: Mapped[str | None] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    target: Mapped[str] = mapped_column(Text)
    before: Mapped[dict[str, object]] = mapped_column(JSONB)
    after: Mapped[dict[str, object]] = mapped_column(JSONB)
    correlation_id: Mapped[str] = mapped_column(Text)

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[SchemaItem, ...]:
        """One index per filter. Ids are time-ordered, so each index also returns the newest first."""
        name = cls.__tablename__
        return tuple(Index(f"ix_{name}_{column}_id", column, "id") for column in ("actor", "action", "target"))


class AuditTrail:
    """`key` is the key of fingerprints: without a key, an address could be guessed from its hash.

    A service that records no personal data has no key.
    """

    def __init__(self, model: type[AuditColumns], *, key: bytes = b"") -> None:
        table = cast("Table", model.__table__)  # declarative types it more loosely than it is
        self._table = table
        self._key = key
        self._columns = [table.c[name] for name in AuditEvent.model_fields]

    def fingerprint(self, value: Personal) -> str:
        """Equal for equal values, until the key changes. Raises LookupError without a key."""
        if not self._key:
            raise LookupError("this trail has no key for fingerprints")
        digest = hmac.digest(self._key, value.text.encode(), "sha256").hex()
        return f"hmac:{digest[:FINGERPRINT_CHARACTERS]}"

    async def record(
        self, connection: AsyncConnection, actor: Actor, action: str, target: str, change: Change | None = NO_CHANGE
    ) -> None:
        """Call it in the transaction of the change. `action` is `noun.verb` in the past tense, `target` is `kind:name`.

        With `change` None (nothing changed) no event is written.
        """
        if change is None:
            return
        event_id = uuid7()
        await connection.execute(
            self._table.insert().values(
                id=event_id,
                occurred_at=_time_of(event_id),
                actor=actor.name,
                api_key_id=actor.api_key_id,
                address=actor.address,
                action=action,
                target=target,
                before=self._plain(change.before),
                after=self._plain(change.after),
                correlation_id=correlation_id(),
            )
        )

    async def find(self, connection: AsyncConnection, question: AuditQuestion) -> AuditFindings:
        """Newest first."""
        of_filter, ids = self._conditions(question), self._table.c.id
        page = select(*self._columns).where(*of_filter).order_by(ids.desc()).limit(question.limit)
        newer = 0
        if question.cursor is not None:
            page = page.where(ids < question.cursor)
            newer = await _count(connection, select(ids).where(*of_filter, ids >= question.cursor))
        return AuditFindings(
            events=tuple(AuditEvent(**row) for row in (await connection.execute(page)).mappings()),
            total=await _count(connection, select(ids).where(*of_filter).order_by(ids.desc())),
            newer=newer,
        )

    async def remove(self, connection: AsyncConnection, *, occurred_before: datetime) -> int:
        """Removes a group of the oldest events; returns their number. Replicas skip rows that another replica removes."""
        ids = self._table.c.id
        bound = UUID(int=int(occurred_before.timestamp() * 1000) << 80)  # RFC 9562, 5.7: milliseconds come first
        old = select(ids).where(ids < bound).order_by(ids).limit(MAX_GROUP).with_for_update(skip_locked=True)
        return (await connection.execute(self._table.delete().where(ids.in_(old)))).rowcount

    def _plain(self, values: Mapping[str, object]) -> dict[str, object]:
        return {
            name: self.fingerprint(value) if isinstance(value, Personal) else to_jsonable_python(value)
            for name, value in values.items()
        }

    def _conditions(self, question: AuditQuestion) -> list[ColumnElement[bool]]:
        columns = self._table.c
        conditions = [
            columns[name] == value
            for name in ("actor", "action", "target")
            if (value := getattr(question, name)) is not None
        ]
        if question.first is not None:
            conditions.append(columns.id >= question.first)
        if question.end is not None:
            conditions.append(columns.id < question.end)
        return conditions


async def _count(connection: AsyncConnection, ids: Select[UUID]) -> int:
    some = ids.limit(MAX_COUNTED).subquery()
    return (await connection.execute(select(func.count()).select_from(some))).scalar_one()


def _time_of(event_id: UUID) -> datetime:
    """The time in the id, so that filters by time and by id agree."""
    return datetime.fromtimestamp((event_id.int >> 80) / 1000, UTC)


async def sweep(database: Database, trail: AuditTrail, *, retention_days: int) -> int:
    """Removes some old events and returns their number. The loop continues immediately while there are more."""
    bound = datetime.now(UTC) - timedelta(days=retention_days)
    async with database.begin() as connection:
        removed = await trail.remove(connection, occurred_before=bound)
    if removed:
        log.info("audit.removed", events=removed)
    return removed


def retention_task(database: Database, trail: AuditTrail, *, retention_days: int) -> PeriodicTask:
    return PeriodicTask(
        "audit_retention", partial(sweep, database, trail, retention_days=retention_days), SWEEP_SECONDS
    )
