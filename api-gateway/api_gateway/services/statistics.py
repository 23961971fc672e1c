"""Figures for an overview, and the tasks that keep them."""

from collections import Counter
from collections.abc import Mapping

from api_gateway.repositories import statistics
from api_gateway.repositories.statistics import ACCEPTED, HELD, PERIODS, TOOK, Figures, Selection, Waiting
from api_gateway.schemas.statistics import (
    Balance,
    Latency,
    OldestWaiting,
    StatisticsQuery,
    StatisticsStep,
    StatisticsView,
)
from chassis.errors import Forbidden
from chassis.postgres.database import Database
from chassis.security import Identity, callers_of_application
from contracts.status import Status

FOLD_EVERY_SECONDS = 10.0  # a fold writes some rows a caller, and an answer reads the lines since the last one
GROWTH = 1.25  # of the bounds of latencies, as in the trigger
IN_WORK = frozenset({Status.PENDING, Status.QUEUED})


class Statistics:
    """`window_seconds`: see `repositories.housekeeping.oldest`."""

    def __init__(self, database: Database, *, window_seconds: float) -> None:
        self._database = database
        self._window_seconds = window_seconds

    async def read(self, query: StatisticsQuery, identity: Identity) -> StatisticsView:
        """Raises Forbidden for the figures of another application."""
        wanted = Selection(_callers(query, identity), query.notification_type)
        async with self._database.begin() as connection:
            oldest = await statistics.oldest(connection, wanted, window_seconds=self._window_seconds)
            figures = await statistics.read(connection, query.period, wanted)
        return _view(query, figures, oldest)

    async def fold(self) -> int:
        async with self._database.begin() as connection:
            await statistics.fold(connection)
        return 0

    async def remove_old(self) -> int:
        async with self._database.begin() as connection:
            await statistics.remove_old(connection)
        return 0


def _callers(query: StatisticsQuery, identity: Identity) -> list[str] | None:
    if not identity.is_admin:
        if query.application_id is not None and str(query.application_id) != identity.application_id:
            raise Forbidden
        return [identity.caller]
    if query.application_id is None:
        return None
    return callers_of_application(query.application_id)


def _view(query: StatisticsQuery, figures: Figures, oldest: Waiting | None) -> StatisticsView:
    period = PERIODS[query.period]
    total: Counter[str] = Counter()
    for numbers in figures.numbers.values():
        total.update(numbers)
    by_status = {status: total[status] for status in Status}
    in_work = sum(by_status[status] for status in IN_WORK)
    final = sum(by_status.values()) - in_work
    starts = [figures.since + number * period.step for number in range(period.steps)]
    return StatisticsView(
        period=query.period,
        step_seconds=int(period.step.total_seconds()),
        since=figures.since,
        until=figures.until,
        counted_since=figures.began if figures.began is not None and figures.began > figures.since else None,
        balance=Balance(
            accepted=total[ACCEPTED], final=final, in_work=in_work, difference=total[ACCEPTED] - final - in_work
        ),
        by_status=by_status,
        held=total[HELD],
        latency=latency_of(total),
        oldest_waiting=None if oldest is None else _oldest(oldest),
        steps=[StatisticsStep(at=at, **_step(figures.numbers.get(at, {}))) for at in starts],
    )


def _oldest(waiting: Waiting) -> OldestWaiting:
    return OldestWaiting(
        notification_id=waiting.id,
        notification_type=waiting.notification_type,
        status=waiting.status,
        since=waiting.since,
        seconds=max(0.0, round(waiting.seconds, 3)),
    )


def _step(numbers: Mapping[str, int]) -> dict[str, object]:
    delivered = numbers.get(Status.DELIVERED, 0)
    return {
        "accepted": numbers.get(ACCEPTED, 0),
        "sent": numbers.get(Status.SENT, 0) + delivered,
        "delivered": delivered,
        "failed": numbers.get(Status.FAILED, 0),
        "in_work": sum(numbers.get(status, 0) for status in IN_WORK),
        "latency": latency_of(numbers),
    }


def latency_of(numbers: Mapping[str, int]) -> Latency:
    """From the figures `took:N`: sent within GROWTH^N seconds, and not within GROWTH^(N-1)."""
    took = sorted((int(name.removeprefix(TOOK)), number) for name, number in numbers.items() if name.startswith(TOOK))
    return Latency(p50=_quantile(took, 0.5), p95=_quantile(took, 0.95))


def _quantile(took: list[tuple[int, int]], share: float) -> float | None:
    rest = share * sum(number for _, number in took)
    for exponent, number in took:
        rest -= number
        if number and rest <= 0:
            return float(f"{GROWTH ** (exponent - 0.5):.3g}")  # the middle of the two bounds
    return None
