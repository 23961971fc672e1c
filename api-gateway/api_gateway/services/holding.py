"""The holds that this process knows, and the release of their notifications when a hold ends."""

import asyncio
import contextlib
from typing import Protocol
from uuid import UUID

import structlog

from api_gateway.repositories import holding, holds
from api_gateway.repositories.holding import EndedHold
from api_gateway.services.metrics import GatewayMetrics
from chassis.errors import Unavailable
from chassis.postgres.database import Database
from contracts.holds import MAX_WAIT_SECONDS, HoldRules, Holds
from contracts.status import Status

log = structlog.get_logger()

EVERY_SECONDS = 0.5
# Rows of a hold that a process releases or cancels in one turn. About as many as a relay publishes meanwhile: other due rows
# do not wait behind all that was held.
PIECE = 500
LEFT_OUT = 9  # turns of a releaser that has nothing to do


class Holdable(Protocol):
    """A notification that is about to be published."""

    @property
    def caller(self) -> str: ...

    @property
    def notification_type(self) -> str: ...

    @property
    def template_code(self) -> str: ...


class KnownHolds:
    """The holds as of the last look, at most EVERY_SECONDS old while the database answers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rules: HoldRules | None = None
        self._holds = Holds()
        self._changed = asyncio.Event()
        self._stopping = False

    @property
    def any_stands(self) -> bool:
        return self._holds.any_stands

    @property
    def any_in_force(self) -> bool:
        """Whether there is a standing hold, or an ended one whose order workers still carry out."""
        return bool(self._holds)

    def of(self, row: Holdable) -> UUID | None:
        """The hold that stands for this notification."""
        return self._holds.standing(row.caller, row.notification_type, row.template_code)

    async def start(self) -> None:
        """Without a database nothing is accepted or published, and the holds are read when it is back."""
        try:
            await self.refresh()
        except Unavailable:
            log.warning("holds.unknown")

    async def refresh(self) -> int:
        async with self._database.begin() as connection:
            rules = HoldRules(holds=tuple(await holds.rules(connection)))
        if rules != self._rules:
            self._rules, self._holds = rules, Holds(rules.holds)
            self._wake()
        return 0

    async def other_than(self, known: str) -> HoldRules:
        """For a worker: the list, as soon as its digest is not `known`; at the latest after MAX_WAIT_SECONDS.

        Raises Unavailable before the first look: workers must not take it for an empty list.
        """
        if self._rules is not None and self._rules.digest == known and not self._stopping:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(MAX_WAIT_SECONDS):
                    await self._changed.wait()
        if self._rules is None:
            raise Unavailable
        return self._rules

    def stop_waiting(self) -> None:
        """Answers the waiting workers: a stopping server waits for its requests."""
        self._stopping = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class HoldReleaser:
    """Releases or cancels the rows of holds that have ended, in pieces. Every gateway runs one; a piece is one transaction.

    It looks for held rows, not for holds that this process ended: so no row is left, whichever process died.
    """

    def __init__(self, database: Database, metrics: GatewayMetrics, known: KnownHolds) -> None:
        self._database = database
        self._metrics = metrics
        self._known = known
        self._left_out = 0

    async def run_once(self) -> int:
        """Looks at every turn while a hold is in force or rows were left, otherwise at every tenth."""
        if self._left_out and not self._known.any_in_force:
            self._left_out -= 1
            return 0
        async with self._database.begin() as connection:
            found = await holding.ended(connection)
        self._left_out = 0 if found or self._known.any_in_force else LEFT_OUT
        for one in found:
            number = await (self._cancel if one.cancelled else self._release)(one)
            if number:
                log.info("holds.ended", hold_id=str(one.id), cancelled=one.cancelled, notifications=number)
        return 0  # the next piece after a pause, see PIECE

    async def _release(self, one: EndedHold) -> int:
        async with self._database.begin() as connection:
            return await holding.release(connection, one, limit=PIECE)

    async def _cancel(self, one: EndedHold) -> int:
        async with self._database.begin() as connection:
            channels = await holding.cancel(connection, one, limit=PIECE)
        self._metrics.count_transitions((channel, Status.CANCELLED) for channel in channels)
        return len(channels)
