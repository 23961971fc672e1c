"""The holds that this process knows, for its own notifications and for the workers that ask."""

import asyncio
import contextlib
from typing import Protocol
from uuid import UUID

import structlog

from api_gateway.repositories import holds
from chassis.errors import Unavailable
from chassis.postgres.database import Database
from contracts.holds import MAX_WAIT_SECONDS, HoldRules, Holds

log = structlog.get_logger()

EVERY_SECONDS = 0.5


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
        """Whether any hold is standing, or recalls messages."""
        return self._holds.any_in_force

    def standing_hold(self, row: Holdable) -> UUID | None:
        """The standing hold of this notification: one that has not ended."""
        return self._holds.standing_hold(row.caller, row.notification_type, row.template_code)

    async def start(self) -> None:
        """Without a database nothing is accepted or published, and the holds are read when it is back."""
        try:
            await self.refresh()
        except Unavailable:
            log.warning("holds.not_read")

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
