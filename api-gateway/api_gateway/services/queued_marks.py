"""The queued-mark waits a moment: a row whose report comes meanwhile needs none, which saves it an UPDATE (ADR 20)."""

import asyncio
import time
from collections.abc import Sequence

import structlog

from api_gateway.repositories.outbox import QueuedMark, Round
from api_gateway.services.metrics import GatewayMetrics
from api_gateway.services.store import Store
from chassis.database import DatabaseUnavailable
from contracts.status import Status

log = structlog.get_logger()

MAX_WAITING = 20_000  # beyond, marks are written at once: some 10 MB


class QueuedMarks:
    """What the broker confirmed and no report has been applied of, in this process. `moment_seconds`: how long a mark waits.

    A mark is lost with its process only: a relay publishes the row again when its lease runs out, and the worker knows it.
    """

    def __init__(self, store: Store, metrics: GatewayMetrics, *, moment_seconds: float) -> None:
        self._store = store
        self._metrics = metrics
        self._moment_seconds = moment_seconds
        self._waiting: dict[Round, QueuedMark] = {}
        self._writes: set[asyncio.Task[None]] = set()
        self._closed = False

    def confirmed(self, marks: Sequence[QueuedMark], *, by: float) -> None:
        """The broker has these. They are written after the moment, not later than `by` (`time.monotonic`)."""
        self._waiting.update((mark.round, mark) for mark in marks)
        wait = self._moment_seconds if len(self._waiting) <= MAX_WAITING else 0
        self._write_after(min(wait, by - time.monotonic()), [mark.round for mark in marks])

    def reported(self, known: Round) -> None:
        """A report of this round was applied, and with it the row says when it was queued."""
        self._waiting.pop(known, None)

    async def close(self) -> None:
        """Writes what waits."""
        self._closed = True
        self._begin_writing(list(self._waiting))
        while self._writes:
            await asyncio.wait(self._writes)

    def _write_after(self, seconds: float, rounds: Sequence[Round]) -> None:
        if seconds <= 0 or self._closed:
            self._begin_writing(rounds)
        else:
            asyncio.get_running_loop().call_later(seconds, self._begin_writing, rounds)

    def _begin_writing(self, rounds: Sequence[Round]) -> None:
        marks = [mark for one in rounds if (mark := self._waiting.pop(one, None)) is not None]
        if marks:
            write = asyncio.create_task(self._write(marks))
            self._writes.add(write)
            write.add_done_callback(self._writes.discard)

    async def _write(self, marks: Sequence[QueuedMark]) -> None:
        try:
            queued = await self._store.mark_queued(marks)
        except DatabaseUnavailable:
            self._put_off(marks)
        except Exception:  # a stopping gateway still has servers to let go of; the leases run out
            log.exception("outbox.marking_failed", messages=len(marks))
        else:
            self._metrics.moved_all((channel, Status.QUEUED) for channel in queued)

    def _put_off(self, marks: Sequence[QueuedMark]) -> None:
        """Until the database is back, lest all of these be published again; as many as there is room for."""
        log.warning("outbox.mark_deferred", messages=len(marks))
        if not self._closed and len(self._waiting) + len(marks) <= MAX_WAITING:
            for mark in marks:
                self._waiting.setdefault(mark.round, mark)
            self._write_after(self._moment_seconds, [mark.round for mark in marks])
