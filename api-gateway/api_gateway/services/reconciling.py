"""The proof that no notification was lost, and the figures that alerts use."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from api_gateway.repositories import held_rows, holds, housekeeping
from api_gateway.schemas.answers import ChannelTotals, LedgerCheck, Reconciliation
from api_gateway.services.metrics import ReadingMetrics
from chassis.errors import DependencyUnavailable
from chassis.http.client import ServiceClient, data_of
from chassis.http.envelope import Envelope
from chassis.postgres.database import Database
from contracts.ledger import LedgerTotals
from contracts.messages import first_id_of
from contracts.recipients import CHANNELS, Channel
from contracts.status import Status

_TOTALS = TypeAdapter(Envelope[LedgerTotals])


class Reconciler:
    """`workers`: the client of the ledger of each channel. Any worker of a channel answers for all of them."""

    def __init__(self, database: Database, workers: Mapping[Channel, ServiceClient]) -> None:
        self._database = database
        self._workers = workers

    async def reconcile(self, *, hours: int, recount: bool = False) -> Reconciliation:
        """The totals of all notifications, and the ledgers' totals for those accepted in the last `hours`."""
        channels = await self.count(recount=recount)
        since = datetime.now(UTC) - timedelta(hours=hours)
        for channel, check in zip(
            channels, await asyncio.gather(*(self.check(one, since) for one in channels)), strict=True
        ):
            channels[channel].ledger = check
        return Reconciliation(
            accepted=sum(one.accepted for one in channels.values()),
            unaccounted=sum(abs(one.unaccounted) for one in channels.values()),
            channels=channels,
        )

    async def count(self, *, recount: bool = False) -> dict[Channel, ChannelTotals]:
        """Counts accepted notifications and their statuses in one snapshot. `recount` reads every row, which is slow."""
        async with self._database.snapshot() as connection:
            accepted = await housekeeping.accepted(connection)
            rows = await (housekeeping.recount if recount else housekeeping.totals)(connection)
            held = held_by_channel(await held_rows.counts(connection))
        return {channel: _totals(channel, accepted.get(channel, 0), rows, held[channel]) for channel in CHANNELS}

    async def check(self, channel: Channel, since: datetime) -> LedgerCheck | None:
        """None: no worker of the channel answers, or its database is down.

        The gateway's own rows are read first: a row becomes sent only after the ledger has recorded it.
        """
        first, last = first_id_of(since), first_id_of(datetime.now(UTC))
        async with self._database.begin() as connection:
            ours, fingerprint = await housekeeping.sent_between(connection, channel, first, last)
        try:
            theirs = await self._ask(channel, first, last)
        except DependencyUnavailable:
            return None
        different = theirs.fingerprint != fingerprint
        return LedgerCheck(
            since=since,
            sent_by_gateway=ours,
            sent_by_ledger=theirs.sent,
            unreported=max(0, theirs.sent - ours),
            unfounded=max(0, ours - theirs.sent, int(different and ours == theirs.sent)),
            deliveries=theirs.deliveries,
        )

    async def _ask(self, channel: Channel, first: UUID, last: UUID) -> LedgerTotals:
        answered = await self._workers[channel].get("/internal/ledger", {"first": str(first), "last": str(last)})
        if (found := data_of(_TOTALS, *answered)) is None:
            raise DependencyUnavailable("the worker does not know this request yet: it runs an older release")
        return found


def held_by_channel(counts: Mapping[UUID, Mapping[Channel, int]]) -> dict[Channel, int]:
    """How many notifications are held on each channel, over all holds."""
    return {channel: sum(one.get(channel, 0) for one in counts.values()) for channel in CHANNELS}


def _totals(channel: Channel, accepted: int, rows: Mapping[tuple[str, str], Any], held: int) -> ChannelTotals:
    by_status = {status: rows.get((channel, status), 0) for status in Status}
    unaccounted = accepted - sum(by_status.values())
    return ChannelTotals(accepted=accepted, by_status=by_status, unaccounted=unaccounted, held=held)


COMPARED = timedelta(hours=24)  # of the ledgers; found by an index. Without a bound it would compare the whole history


class FigureWatcher:
    """Four readings, each with a loop of its own: if counting everything takes too long, the ages are still current.

    A reading that fails removes its figures before it raises. `window_seconds`: see `repositories.housekeeping.oldest`.
    """

    def __init__(
        self, reconciler: Reconciler, database: Database, metrics: ReadingMetrics, *, window_seconds: float
    ) -> None:
        self._reconciler = reconciler
        self._database = database
        self._metrics = metrics
        self._window_seconds = window_seconds

    async def prove(self) -> int:
        try:
            channels = await self._reconciler.count()
        except Exception:
            self._metrics.unaccounted_unknown()
            raise
        self._metrics.unaccounted({channel: one.unaccounted for channel, one in channels.items()})
        return 0

    async def compare_ledgers(self) -> int:
        """A channel whose workers do not answer gets no figure."""
        since = datetime.now(UTC) - COMPARED
        try:
            checks = {channel: await self._reconciler.check(channel, since) for channel in CHANNELS}
        except Exception:
            self._metrics.unfounded_unknown()
            raise
        self._metrics.unfounded({channel: check.unfounded for channel, check in checks.items() if check is not None})
        return 0

    async def count_held(self) -> int:
        try:
            async with self._database.begin() as connection:
                counts = await held_rows.counts(connection)
                age = await holds.oldest_seconds(connection)
        except Exception:
            self._metrics.held_unknown()
            raise
        self._metrics.held(held_by_channel(counts), age)
        return 0

    async def find_oldest(self) -> int:
        try:
            async with self._database.begin() as connection:
                ages = await housekeeping.oldest(connection, window_seconds=self._window_seconds)
        except Exception:
            self._metrics.oldest_unknown()
            raise
        self._metrics.oldest(ages)
        return 0
