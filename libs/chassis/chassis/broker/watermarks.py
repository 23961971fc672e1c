"""What a queue cannot have any more: how far consumers have moved it, and whether it has stood empty.

A message that was published well before another of its priority which has been consumed is not in the queue any more; nor
is any message in a queue that was empty at every look for a while. A backlog alone, however long, says nothing.
"""

import time
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime

from chassis.broker.base import QueueDepth


class ConsumedWatermarks:
    """Name → priority → when the newest message that was consumed had been published.

    A queue hands out messages of one priority in the order in which they came. Each process sees its share of what is
    consumed, which is enough: one message that overtook is proof.
    """

    def __init__(self) -> None:
        self._newest: defaultdict[str, dict[int, datetime]] = defaultdict(dict)

    def consumed(self, name: str, priority: int, published_at: datetime) -> None:
        seen = self._newest[name]
        before = seen.get(priority)
        if before is None or published_at > before:
            seen[priority] = published_at

    def of(self, name: str) -> dict[int, datetime]:
        return dict(self._newest[name])


class EmptyQueues:
    """Which queues stood empty, at every look, for `grace_seconds`."""

    def __init__(self, *, grace_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._grace_seconds = grace_seconds
        self._clock = clock
        self._since: dict[str, float] = {}

    def look(self, queue: str, depth: QueueDepth | None) -> bool:
        """Whether `queue` has stood empty for the grace. None: the broker did not answer, so the wait begins anew."""
        if depth is None or depth.ready or depth.unacked:
            self._since.pop(queue, None)
            return False
        since = self._since.setdefault(queue, self._clock())
        return self._clock() - since > self._grace_seconds
