"""The holds themselves: which there are, who placed them, and how they ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Table, delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from api_gateway.models import Hold, Notification
from chassis.postgres.autocommit import StatementExecutor
from chassis.security import callers_of_application
from contracts.holds import HoldRule
from contracts.recipients import Channel

TABLE = cast("Table", Hold.__table__)  # declarative types it more loosely than it is
HoldOutcome = Literal["released", "cancelled"]
# How long a hold that was cancelled, or released with another version, recalls messages that were published before its end:
# they may wait in a queue.
RECALL_PERIOD = timedelta(days=7)
KEPT = timedelta(days=30)  # ended holds; the audit events stay longer
_SAME = ("template_code", "application_id", "test", "notification_type", "provider")


@dataclass(frozen=True, slots=True)
class HoldTarget:
    """What is held: the notifications that match every field that is not None, or a provider. `test`: of the application's
    test keys, or of its live keys; None: of both."""

    template_code: str | None = None
    application_id: UUID | None = None
    test: bool | None = None
    notification_type: Channel | None = None
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class StoredHold:
    """A row. `renewed`, `template_version`: see `repositories.held_rows.EndedHold`."""

    id: UUID
    template_code: str | None
    application_id: UUID | None
    test: bool | None
    notification_type: Channel | None
    provider: str | None
    reason: str
    created_by: str
    created_at: datetime
    ended_by: str | None
    ended_at: datetime | None
    outcome: HoldOutcome | None
    renewed: bool
    template_version: int | None

    @property
    def renewal(self) -> "Renewal | None":
        return Renewal(self.template_version) if self.renewed else None


@dataclass(frozen=True, slots=True)
class Renewal:
    """The held notifications get this version of their template; None: the version that is active then."""

    template_version: int | None


@dataclass(frozen=True, slots=True)
class Ending:
    outcome: HoldOutcome
    by: str
    renewal: Renewal | None = None


_IN_FORCE = f"""(ended_at IS NULL
    OR (ended_at > now() - interval '{RECALL_PERIOD.days} days' AND (outcome = 'cancelled' OR renewed)))"""
IN_FORCE = text(_IN_FORCE)
RULES = text(f"""
SELECT id, template_code, application_id, test, notification_type, provider, ended_at FROM holds WHERE {_IN_FORCE} ORDER BY id
""")  # noqa: S608 - a constant of ours


async def rules(connection: StatementExecutor) -> list[HoldRule]:
    """The holds that every process has to know, oldest first: those that are standing, and those that recall messages."""
    return [
        HoldRule(
            id=row.id,
            template_code=row.template_code,
            callers=_callers(row.application_id, row.test),
            notification_type=row.notification_type,
            provider=row.provider,
            ended_at=row.ended_at,
        )
        for row in await connection.execute(RULES, {})
    ]


def _callers(application_id: UUID | None, for_tests: bool | None) -> tuple[str, ...] | None:
    if application_id is None:
        return None
    live, test = callers_of_application(application_id)
    return (live, test) if for_tests is None else (test if for_tests else live,)


async def place(connection: AsyncConnection, target: HoldTarget, *, reason: str, by: str) -> tuple[StoredHold, bool]:
    """The hold of exactly this target that stands, and whether it is new."""
    fields = {name: getattr(target, name) for name in _SAME}
    added = insert(TABLE).values(id=uuid7(), reason=reason, created_by=by, **fields)
    added = added.on_conflict_do_nothing(index_elements=list(_SAME), index_where=text("ended_at IS NULL"))
    row = (await connection.execute(added.returning(TABLE))).mappings().first()
    if row is not None:
        return StoredHold(**row), True
    same = [TABLE.c[name].is_not_distinct_from(value) for name, value in fields.items()]
    standing = (await connection.execute(select(TABLE).where(*same, TABLE.c.ended_at.is_(None)))).mappings().first()
    if standing is None:  # it ended at this moment
        return await place(connection, target, reason=reason, by=by)
    return StoredHold(**standing), False


async def in_force(connection: AsyncConnection, by: str) -> int:
    """How many holds of a caller every process has to know."""
    query = select(func.count()).select_from(TABLE).where(TABLE.c.created_by == by, IN_FORCE)
    return (await connection.execute(query)).scalar_one()


async def find(connection: AsyncConnection, hold_id: UUID, *, lock: bool = False) -> StoredHold | None:
    query = select(TABLE).where(TABLE.c.id == hold_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).mappings().first()
    return None if row is None else StoredHold(**row)


async def end(connection: AsyncConnection, hold_id: UUID, ending: Ending) -> StoredHold:
    """Ends a standing hold. Its rows are released or cancelled afterwards, in pieces."""
    changed = (
        update(TABLE)
        .where(TABLE.c.id == hold_id)
        .values(
            ended_by=ending.by,
            ended_at=func.now(),
            outcome=ending.outcome,
            renewed=ending.renewal is not None,
            template_version=None if ending.renewal is None else ending.renewal.template_version,
        )
    )
    return StoredHold(**(await connection.execute(changed.returning(TABLE))).mappings().one())


@dataclass(frozen=True, slots=True)
class HoldFilter:
    """`application_id` None: of all; otherwise those on this application, for keys of that `test`."""

    application_id: UUID | None = None
    test: bool = False
    standing: bool | None = None


async def page(
    connection: AsyncConnection, wanted: HoldFilter, *, limit: int, offset: int
) -> tuple[Sequence[StoredHold], int]:
    """A page, newest first, and how many there are in all."""
    conditions = _conditions(wanted)
    query = select(TABLE).where(*conditions).order_by(TABLE.c.id.desc()).limit(limit).offset(offset)
    rows = [StoredHold(**row) for row in (await connection.execute(query)).mappings()]
    total = select(func.count()).select_from(TABLE).where(*conditions)
    return rows, (await connection.execute(total)).scalar_one()


def _conditions(wanted: HoldFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.application_id is not None:
        conditions += [
            TABLE.c.application_id == wanted.application_id,
            or_(TABLE.c.test.is_(None), TABLE.c.test == wanted.test),
        ]
    if wanted.standing is not None:
        conditions.append(TABLE.c.ended_at.is_(None) if wanted.standing else TABLE.c.ended_at.is_not(None))
    return conditions


async def oldest_seconds(connection: AsyncConnection) -> float:
    """The age of the oldest standing hold; 0 if there is none."""
    age = func.extract("epoch", func.now() - func.min(TABLE.c.created_at))
    return float(await connection.scalar(select(age).where(TABLE.c.ended_at.is_(None))) or 0)


async def forget(connection: AsyncConnection) -> int:
    """Deletes holds that ended long ago and hold nothing. Returns how many."""
    rows = Notification.__table__
    holding = select(1).where(rows.c.held_by == TABLE.c.id, rows.c.status == "pending").exists()
    return (await connection.execute(delete(TABLE).where(TABLE.c.ended_at < func.now() - KEPT, ~holding))).rowcount
