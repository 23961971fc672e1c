"""The messages of one kind: the latest in memory, a count of all, and a way to wait for the next."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from chassis.envelope import counted
from devstack.simulators.messages import ReceivedEmail, ReceivedPush

M = TypeVar("M", ReceivedEmail, ReceivedPush)


class Shelf(Generic[M]):
    """Keeps the newest `keep` messages. `total` counts all that were taken, `refused` the attempts turned away."""

    def __init__(self, keep: int) -> None:
        self.total = 0
        self.refused = 0
        self._keep = keep
        self._kept: OrderedDict[int, M] = OrderedDict()
        self._arrival = asyncio.Event()

    def put(self, message: M) -> None:
        self.total += 1
        self._kept[message.id] = message
        if len(self._kept) > self._keep:
            self._kept.popitem(last=False)
        self._arrival.set()

    def get(self, message_id: int) -> M | None:
        return self._kept.get(message_id)

    def clear(self) -> None:
        self._kept.clear()
        self.total = self.refused = 0

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[M]:
        """The kept ones, oldest first."""
        return iter(self._kept.values())

    def newest_first(self) -> Iterator[M]:
        return reversed(self._kept.values())

    def after(self, message_id: int) -> list[M]:
        """The kept ones that came after that one, oldest first; costs what it returns, not what is kept."""
        newer: list[M] = []
        for message in self.newest_first():
            if message.id <= message_id:
                break
            newer.append(message)
        return newer[::-1]

    async def wait_for(
        self, count: int = 1, *, matching: Callable[[M], bool] = lambda _: True, within: float = 10
    ) -> list[M]:
        """At least `count` messages that match, oldest first, those already here included; else TimeoutError."""
        found: list[M] = []
        seen = 0
        try:
            async with asyncio.timeout(within):
                while True:
                    newer = self.after(seen)
                    seen = newer[-1].id if newer else seen
                    found += filter(matching, newer)
                    if len(found) >= count:
                        return found
                    self._arrival.clear()
                    await self._arrival.wait()
        except TimeoutError:
            raise TimeoutError(
                f"{len(found)} of {counted(count, 'message')} after {within} s, {self.total} in all"
            ) from None
