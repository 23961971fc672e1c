"""The proof that nothing was lost: what was accepted against the rows, and the rows against the workers' ledgers."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from api_gateway.repositories import totals
from api_gateway.schemas.answers import ChannelTotals, LedgerCheck, Reconciliation
from chassis.database import Database
from chassis.envelope import Envelope
from chassis.http_client import DependencyUnavailable, ServiceClient, data_of
from contracts.lookups import LedgerTotals, first_id_of
from contracts.recipients import CHANNELS, Channel
from contracts.status import Status

_TOTALS = TypeAdapter(Envelope[LedgerTotals])


class Reconciler:
    """`workers`: for each channel, whom to ask for its ledger. Any worker of a channel answers for all of them."""

    def __init__(self, database: Database, workers: Mapping[Channel, ServiceClient]) -> None:
        self._database = database
        self._workers = workers

    async def reconcile(self, *, hours: int, recount: bool = False) -> Reconciliation:
        """All that was accepted, and the ledgers' word on what came in the last `hours`."""
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
        """What was accepted, and where it is, in one moment; with `recount` by reading every row, which takes a while."""
        async with self._database.snapshot() as connection:
            accepted = await totals.accepted(connection)
            rows = await (totals.recounted if recount else totals.counted)(connection)
        return {channel: _totals(channel, accepted.get(channel, 0), rows) for channel in CHANNELS}

    async def check(self, channel: Channel, since: datetime) -> LedgerCheck | None:
        """None: no worker of the channel answers, or its database is away.

        The gateway's own rows are read first: each is called sent only after the ledger has said so.
        """
        first, last = first_id_of(since), first_id_of(datetime.now(UTC))
        async with self._database.begin() as connection:
            ours, fingerprint = await totals.sent_between(connection, channel, first, last)
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
            raise DependencyUnavailable("this worker is older than the question")
        return found


def _totals(channel: Channel, accepted: int, rows: Mapping[tuple[str, str], Any]) -> ChannelTotals:
    by_status = {status: rows.get((channel, status), 0) for status in Status}
    return ChannelTotals(accepted=accepted, by_status=by_status, unaccounted=accepted - sum(by_status.values()))
