"""The relay takes due rows (the lease ran out, `send_at` came, a service was down) and publishes, ends, holds or delays them.

Every gateway runs one. Rows are taken with SKIP LOCKED and leased by the database's clock, so two relays never work on the
same row.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import structlog

from api_gateway.repositories import outbox as outbox_rows
from api_gateway.repositories.held_rows import ToHold
from api_gateway.repositories.outbox import DueRow, Ended, LeasedRound, ResolvedRow
from api_gateway.services.directory import Directory
from api_gateway.services.known_holds import KnownHolds
from api_gateway.services.metrics import GatewayMetrics
from api_gateway.services.outbox import Outbox, OutboxMessage, outbox_message
from api_gateway.services.resolving import Resolution, Resolved, resolve
from api_gateway.services.store import Store
from chassis.errors import DependencyUnavailable, ServiceError
from contracts.status import Status
from contracts.users import Unreachable

log = structlog.get_logger()

MAX_GROUP = 200


@dataclass(frozen=True, slots=True)
class Reschedule:
    """A due row whose recipient or template could not be looked up."""

    leased: LeasedRound


@dataclass(frozen=True, slots=True)
class Undecryptable:
    """A due row that is encrypted with a missing key: a process with the key will take it.

    `leased` None: it may have been published. Then its lease runs out by itself: `end_leases` would remove `leased_by`, and
    `leased_by` is what marks it as possibly published.
    """

    leased: LeasedRound | None


RelayDecision = DueRow | Ended | Reschedule | Undecryptable | ToHold


class Relay:
    """`run_once` processes one group and returns how many rows it took."""

    def __init__(
        self,
        directory: Directory,
        store: Store,
        outbox: Outbox,
        metrics: GatewayMetrics,
        holds: KnownHolds,
        *,
        retry_seconds: float,
    ) -> None:
        self._holds = holds
        self._directory = directory
        self._store = store
        self._outbox = outbox
        self._metrics = metrics
        self._retry_seconds = retry_seconds

    async def run_once(self) -> int:
        if not self._outbox.can_publish:
            return 0  # rows that could only be put back are not taken
        rows = await self.take()
        if not rows:
            return 0
        decisions = await self._decide(rows)
        await self._write(decisions)
        messages = [_message(decision) for decision in decisions if isinstance(decision, DueRow)]
        published = await self._outbox.publish(messages) if messages else 0
        log.info("outbox.relayed", taken=len(rows), published=published)
        return len(rows)

    async def take(self) -> list[DueRow]:
        """Leases due rows."""
        async with self._store.database.begin() as connection:
            return await outbox_rows.take_due(
                connection,
                owner=self._store.process,
                lease_seconds=self._store.lease_seconds,
                limit=MAX_GROUP,
                data_keys=self._store.data_keys,
            )

    async def _decide(self, rows: Sequence[DueRow]) -> list[RelayDecision]:
        """A row expires here only if it was certainly never published. Otherwise it is published again: the worker's ledger
        knows whether it was sent. A row is held here under the same condition. Otherwise a worker gives it back.
        """
        # A row without a recipient was never published, even if a process that died had leased it: the recipient is written
        # before the first publishing. The recipient of an undecryptable row may be there and unreadable.
        unpublished = {
            row.id for row in rows if not row.maybe_published or (row.recipient is None and not row.undecryptable)
        }
        held = self._held([row for row in rows if row.id in unpublished and not row.expired])
        unresolved = [
            row
            for row in rows
            if row.recipient is None and not row.expired and not row.undecryptable and row.id not in held
        ]
        found: dict[UUID, RelayDecision] = {
            row.id: _decision(row, resolution) for row, resolution in await self._resolved(unresolved)
        }
        for row in rows:
            if row.expired and row.id in unpublished:
                found[row.id] = Ended(row.round, Status.EXPIRED, "expired")
            elif row.id in held:
                found[row.id] = held[row.id]
            elif row.undecryptable:
                found[row.id] = Undecryptable(None if row.maybe_published else row.leased)
        return [found.get(row.id, row) for row in rows]

    def _held(self, rows: Sequence[DueRow]) -> dict[UUID, ToHold]:
        found = ((row, self._holds.standing_hold(row)) for row in rows)
        return {row.id: ToHold(row.leased, hold) for row, hold in found if hold is not None}

    async def _resolved(self, rows: Sequence[DueRow]) -> list[tuple[DueRow, Resolution]]:
        """A retried row uses the template that is active now, not one from this process's memory, seconds old."""
        again, first = [row for row in rows if row.replay], [row for row in rows if not row.replay]
        resolutions = [*await self._resolutions(again, fresh=True), *await self._resolutions(first)]
        return list(zip((*again, *first), resolutions, strict=True))

    async def _resolutions(self, rows: Sequence[DueRow], *, fresh: bool = False) -> list[Resolution]:
        return await resolve(rows, self._directory, [row.caller for row in rows], fresh=fresh)

    async def _write(self, decisions: Sequence[RelayDecision]) -> None:
        resolved = [decision for decision in decisions if isinstance(decision, DueRow)]
        ended = [decision for decision in decisions if isinstance(decision, Ended)]
        later = [decision.leased for decision in decisions if isinstance(decision, Reschedule)]
        unread = [
            decision.leased
            for decision in decisions
            if isinstance(decision, Undecryptable) and decision.leased is not None
        ]
        data_keys = self._store.data_keys
        async with self._store.database.begin() as connection:
            if resolved:
                await outbox_rows.set_resolved(
                    connection, [_resolved_row(row) for row in resolved], data_keys=data_keys
                )
            finished = await outbox_rows.finish(connection, ended, data_keys=data_keys) if ended else []
        self._metrics.count_transitions((row.notification_type, row.status) for row in finished)
        held = [decision for decision in decisions if isinstance(decision, ToHold)]
        if held:
            await self._store.hold(held)
        if later:
            await self._store.end_leases(later, delay_seconds=self._retry_seconds)
        if unread:
            await self._store.end_leases(unread, delay_seconds=self._store.lease_seconds)


def _decision(row: DueRow, resolution: Resolution) -> RelayDecision:
    match resolution:
        case DependencyUnavailable():
            return Reschedule(row.leased)
        case ServiceError() as error:
            return Ended(row.round, Status.FAILED, error.code, error.message)
        case Unreachable(code):
            return Ended(row.round, Status.SUPPRESSED, code)
        case Resolved(recipient, template):
            return replace(
                row,
                recipient=recipient.as_json,
                template_version=template.version,
                language=template.language,
            )


def _message(row: DueRow) -> OutboxMessage:
    return outbox_message(
        row, row.lease, created_at=row.created_at, replay=row.replay, maybe_published=row.maybe_published
    )


def _resolved_row(row: DueRow) -> ResolvedRow:
    return ResolvedRow(row.round, row.recipient, row.template_version, row.language)
