"""Who may go next where only so many may go at once."""

import asyncio
from heapq import heappop, heappush
from itertools import count


class Turns:
    """A semaphore whose places go to the highest priority that waits, among equals to the first that came.

    Without it a worker's own queue would undo the broker's order: what was taken from the broker early and cheaply would
    stand before what matters. `places` may be changed: fewer count from the next `take` on, more from the next `give_back`.
    """

    def __init__(self, places: float) -> None:
        self.places = places
        self._taken = 0
        self._arrivals = count()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    async def take(self, priority: int) -> None:
        """Returns with a place, which has to be given back."""
        if self._taken < self.places:
            self._taken += 1
            return
        turn = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (-priority, next(self._arrivals), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it was given in the same moment
                self.give_back()
            raise

    def take_at_once(self) -> None:
        """A place beyond all others, which has to be given back too: while it is taken, the others have one less."""
        self._taken += 1

    def give_back(self) -> None:
        self._taken -= 1
        while self._waiting and self._taken < self.places:
            _, _, turn = heappop(self._waiting)
            if not turn.done():
                self._taken += 1
                turn.set_result(None)
