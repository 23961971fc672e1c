"""Which message ids are on their way. One id twice on a channel at once would mix up which of the two was returned."""

import asyncio
from collections.abc import Iterable, Mapping


class InFlight:
    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._released = asyncio.Event()

    async def claim(self, wanted: Mapping[int, str], deadline: float) -> list[int]:
        """The positions whose ids are now the caller's, at least one; none when all stay taken until ``deadline``."""
        while not (claimed := self._take(wanted)):
            self._released.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._released.wait()
            except TimeoutError:
                return []
        return claimed

    def _take(self, wanted: Mapping[int, str]) -> list[int]:
        claimed = []
        for index, message_id in wanted.items():
            if message_id not in self._ids:
                self._ids.add(message_id)
                claimed.append(index)
        return claimed

    def release(self, message_ids: Iterable[str]) -> None:
        self._ids.difference_update(message_ids)
        self._released.set()
