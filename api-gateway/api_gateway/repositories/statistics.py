"""Figures by time: how many of the notifications that were accepted in a step of time have which status now.

A trigger on `notifications` adds lines to `statistics_changes` in the transaction of each change. They are folded into
`statistics`, once for each period with its own length of a step, for the caller and for all callers together ('').
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.recipients import CHANNELS, Channel
from contracts.status import Status

PeriodName = Literal["hour", "day", "week"]
EVERYBODY = ""
ACCEPTED, HELD, TOOK = "accepted", "held", "took:"  # figures beside the statuses; TOOK is followed by a number


@dataclass(frozen=True, slots=True)
class Period:
    """So many steps, the last of which contains the present."""

    step: timedelta
    steps: int


PERIODS: dict[PeriodName, Period] = {
    "hour": Period(timedelta(minutes=1), 60),
    "day": Period(timedelta(minutes=15), 96),
    "week": Period(timedelta(hours=2), 84),
}
_EPOCH = "CAST('epoch' AS timestamptz)"


def _interval(length: timedelta) -> str:
    return f"interval '{length.total_seconds():.0f} s'"


def _kept(period: Period) -> str:
    return _interval(period.step * (period.steps + 1))


_PERIODS = ", ".join(f"('{name}', {_interval(one.step)}, {_kept(one)})" for name, one in PERIODS.items())

# One process folds at a time; a second one finds nothing to do. What no answer shows any more is not written again.
FOLD = text(f"""
WITH taken AS (
    DELETE FROM statistics_changes WHERE (SELECT pg_try_advisory_xact_lock(hashtext('statistics_changes')))
    RETURNING at, caller, channel, figure, change
)
INSERT INTO statistics AS s (period, caller, at, channel, figure, number)
SELECT p.period, whose.caller, date_bin(p.step, at, {_EPOCH}), channel, figure, sum(change)
FROM taken CROSS JOIN (VALUES {_PERIODS}) AS p(period, step, kept)
CROSS JOIN LATERAL (VALUES (taken.caller), ('{EVERYBODY}')) AS whose(caller)
WHERE at > now() - p.kept
GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
ON CONFLICT (period, caller, at, channel, figure) DO UPDATE SET number = s.number + excluded.number
""")  # noqa: S608 - constants of ours

# Written out for each period: of a join the planner would think that it deletes a third of the table.
_OLD = " OR ".join(f"(period = '{name}' AND at < now() - {_kept(one)})" for name, one in PERIODS.items())
REMOVE = text(f"DELETE FROM statistics WHERE {_OLD}")  # noqa: S608 - constants of ours

# One statement, so that a line is either in `statistics` or in `statistics_changes`. The lines are those of a few seconds.
FIGURES = text(f"""
WITH p AS (
    SELECT period, step, date_bin(step, now(), {_EPOCH}) - step * (CAST(:steps AS int) - 1) AS since
    FROM (VALUES {_PERIODS}) AS known(period, step, kept) WHERE period = :period
), lines AS (
    SELECT at, channel, figure, number FROM statistics
    WHERE period = :period AND caller = ANY(CAST(:folded AS text[])) AND at >= (SELECT since FROM p)
    UNION ALL
    SELECT date_bin((SELECT step FROM p), at, {_EPOCH}), channel, figure, change FROM statistics_changes
    WHERE at >= (SELECT since FROM p) AND (CAST(:callers AS text[]) IS NULL OR caller = ANY(CAST(:callers AS text[])))
)
SELECT p.since, now() AS until, nullif(statistics_began(), '-infinity') AS began, sums.at, sums.figure, sums.number
FROM p LEFT JOIN (
    SELECT at, figure, CAST(sum(number) AS bigint) AS number FROM lines
    WHERE CAST(:channel AS text) IS NULL OR channel = :channel GROUP BY at, figure
) AS sums ON true
""")  # noqa: S608 - constants of ours

# Looks at the first rows of each priority, by the indexes of the relay and of the search for lost messages, and no further:
# `due_at` may be put off by a lease or by a pause between two look-ups, so the first row need not be the oldest. Scheduled
# and held rows wait because they are meant to. A replayed or released row waits since then (the last entry of its history).
OLDEST = text("""
WITH waiting AS (
    SELECT first.* FROM generate_series(1, 10) AS level(priority) CROSS JOIN LATERAL (
        SELECT id, caller, notification_type, status,
            greatest(created_at, send_at, CAST(history -> -1 ->> 'at' AS timestamptz)) AS since
        FROM notifications
        WHERE priority = level.priority AND due_at <= now() + make_interval(secs => :window) AND status = 'pending'
          AND (send_at IS NULL OR send_at <= now()) AND held_by IS NULL
        ORDER BY due_at LIMIT :max_examined
    ) AS first
    UNION ALL
    SELECT first.* FROM unnest(CAST(:channels AS text[])) AS channel(name)
    CROSS JOIN generate_series(1, 10) AS level(priority) CROSS JOIN LATERAL (
        SELECT id, caller, notification_type, status, queued_at AS since FROM notifications
        WHERE status = 'queued' AND notification_type = channel.name AND priority = level.priority
        ORDER BY queued_at LIMIT :max_examined
    ) AS first
)
SELECT id, notification_type, status, since, extract(epoch FROM now() - since) AS seconds FROM waiting
WHERE (CAST(:callers AS text[]) IS NULL OR caller = ANY(CAST(:callers AS text[])))
  AND (CAST(:channel AS text) IS NULL OR notification_type = :channel)
ORDER BY since LIMIT 1
""")
MAX_EXAMINED = 1_000


@dataclass(frozen=True, slots=True)
class Selection:
    """None: all."""

    callers: Sequence[str] | None = None
    channel: Channel | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """By the start of a step and the figure. `since` is the start of the first step. `began`: earlier notifications are not
    counted; None: all are.
    """

    since: datetime
    until: datetime
    began: datetime | None
    numbers: dict[datetime, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Waiting:
    id: UUID
    notification_type: Channel
    status: Status
    since: datetime
    seconds: float


async def fold(connection: AsyncConnection) -> None:
    """Adds the changes since the last fold to the figures."""
    await connection.execute(FOLD)


async def remove_old(connection: AsyncConnection) -> None:
    """Removes the figures that no period shows any more."""
    await connection.execute(REMOVE)


async def read(connection: AsyncConnection, period: PeriodName, wanted: Selection) -> Figures:
    """Complete up to `until`: with what was committed before."""
    callers = None if wanted.callers is None else list(wanted.callers)
    parameters = {
        "period": period,
        "steps": PERIODS[period].steps,
        "callers": callers,
        "folded": [EVERYBODY] if callers is None else callers,
        "channel": wanted.channel,
    }
    rows = (await connection.execute(FIGURES, parameters)).all()
    numbers: dict[datetime, dict[str, int]] = {}
    for row in rows:
        if row.at is not None:
            numbers.setdefault(row.at, {})[row.figure] = row.number
    return Figures(rows[0].since, rows[0].until, rows[0].began, numbers)


async def oldest(connection: AsyncConnection, wanted: Selection, *, window_seconds: float) -> Waiting | None:
    """The one that has waited longest, of the first MAX_EXAMINED of each priority. `window_seconds`: as in
    `housekeeping.oldest`.
    """
    parameters = {
        "channels": list(CHANNELS),
        "channel": wanted.channel,
        "callers": None if wanted.callers is None else list(wanted.callers),
        "window": window_seconds,
        "max_examined": MAX_EXAMINED,
    }
    row = (await connection.execute(OLDEST, parameters)).first()
    return None if row is None else Waiting(**{**row._mapping, "seconds": float(row.seconds)})  # noqa: SLF001 - public
