"""Which messages a queue cannot contain any more: how far consumers have read, and whether the queue has been empty.

A message is not in the queue any more if a message of the same priority that was published well after it has been
consumed. A queue that was empty at every check for a while contains no message either. The length of a backlog proves
nothing.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Container
from datetime import datetime
from uuid import UUID

from chassis.broker.interface import QueueDepth
from chassis.broker.sharded import shard_of


class ConsumedWatermarks:
    """For each name and priority: the publication time of the newest consumed message.

    A queue delivers messages of one priority in their order of arrival. Each process sees only its share of the consumed
    messages. That is enough: one later message that was consumed is proof. If the queues are in `shards`, each shard needs
    one, except for the priorities whose queue is `whole`.
    """

    def __init__(self, shards: int = 1, *, whole: Container[int] = ()) -> None:
        self._shards = shards
        self._whole = whole
        self._newest: defaultdict[str, defaultdict[int, dict[int, datetime]]] = defaultdict(lambda: defaultdict(dict))

    def note_consumed(self, name: str, priority: int, published_at: datetime, message_id: UUID) -> None:
        seen = self._newest[name][priority]
        shards = self._number_of_shards(priority)
        shard = shard_of(str(message_id), shards) if shards > 1 else 0  # the usual case costs nothing
        before = seen.get(shard)
        if before is None or published_at > before:
            seen[shard] = published_at

    def by_priority(self, name: str) -> dict[int, datetime]:
        """Until when the messages of each priority are consumed in every shard; only if every shard has shown one."""
        return {
            priority: min(seen.values())
            for priority, seen in self._newest[name].items()
            if len(seen) == self._number_of_shards(priority)
        }

    def _number_of_shards(self, priority: int) -> int:
        return 1 if priority in self._whole else self._shards


class EmptyQueues:
    """Which queues were empty at every check for `grace_seconds`."""

    def __init__(self, *, grace_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._grace_seconds = grace_seconds
        self._clock = clock
        self._since: dict[str, float] = {}

    def check(self, queue: str, depth: QueueDepth | None) -> bool:
        """Whether `queue` has been empty for the grace period. None: the broker did not answer; the period starts again."""
        if depth is None or depth.ready or depth.unacked:
            self._since.pop(queue, None)
            return False
        since = self._since.setdefault(queue, self._clock())
        return self._clock() - since > self._grace_seconds
