"""Deletes old rows of a large table in small steps, in the order of their time-ordered ids."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import structlog

log = structlog.get_logger()

EVERY_SECONDS = 2.0
MAX_ROWS = 5_000  # per step: more than twice what a gateway accepts in two seconds; 0.1 s of locks
FIRST_ID = UUID(int=0)


class RetentionResult(NamedTuple):
    """The number of rows that a step deleted, and the last id that it looked at (None at the end of the table)."""

    removed: int
    reached: UUID | None


class RetentionStep(NamedTuple):
    """Looks at `limit` rows with ids after `after`, and deletes rows that ended before `ended_before`."""

    after: UUID
    ended_before: datetime
    limit: int


class Retention:
    """With `days` None, all rows are kept. `rows` is the name of the rows in the log.

    The age of a row counts from its end: a notification accepted long ago may have been sent today.
    """

    def __init__(
        self, remove: Callable[[RetentionStep], Awaitable[RetentionResult]], *, days: float | None, rows: str
    ) -> None:
        self._remove = remove
        self._kept = None if days is None else timedelta(days=days)
        self._rows = rows
        self._after = FIRST_ID

    async def run_once(self) -> int:
        """Runs one step from where the last one stopped. Returns 0: `repeat` then waits the full interval."""
        if self._kept is None:
            return 0
        step = RetentionStep(self._after, datetime.now(UTC) - self._kept, MAX_ROWS)
        removed, reached = await self._remove(step)
        self._after = reached or FIRST_ID
        if removed:
            log.info("retention.removed", **{self._rows: removed})
        return 0
