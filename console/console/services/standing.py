"""The standing holds, for the banner on every page: cached for a few seconds, and no page waits long for them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from chassis.process.single_flight import SingleFlight
from chassis.process.ttl_memory import TtlMemory
from notifications import AsyncNotifications, Hold, NotificationsError

CACHE_SECONDS, TIMEOUT_SECONDS = 3.0, 1.0


@dataclass(frozen=True, slots=True)
class StandingHolds:
    """`holds` are the newest hundred of `total`."""

    holds: Sequence[Hold] = ()
    total: int = 0

    @property
    def held(self) -> int:
        return sum(hold.held for hold in self.holds)

    def of_template(self, code: str) -> Sequence[Hold]:
        return [one for one in self.holds if one.template_code == code]


NO_HOLDS = StandingHolds()


class StandingHoldsCache:
    """For one process. `who`: all visitors with the same name see the same holds."""

    def __init__(self) -> None:
        self._known: TtlMemory[str, StandingHolds] = TtlMemory(1_000, CACHE_SECONDS)
        self._asking: SingleFlight[str, StandingHolds] = SingleFlight()

    async def for_visitor(self, who: str, api: AsyncNotifications) -> StandingHolds:
        """NO_HOLDS also while the gateway does not answer: the page itself says that."""
        known = self._known.get(who, None)
        if known is not None:
            return known
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await self._asking.run(who, partial(self._ask, who, api))
        except TimeoutError:
            return NO_HOLDS

    def forget(self, who: str) -> None:
        """A hold was placed or ended here."""
        self._known.drop(who)

    async def close(self) -> None:
        await self._asking.close()

    async def _ask(self, who: str, api: AsyncNotifications) -> StandingHolds:
        try:
            page = await api.holds.list(standing=True).page()
            found = StandingHolds(page.items, page.meta.total)
        except NotificationsError:
            found = NO_HOLDS
        self._known.put(who, found)
        return found
