"""The holds that stand, for the banner on every page: remembered for a few seconds, and no page waits long for them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from chassis.process.single_flight import SingleFlight
from chassis.process.ttl_memory import TtlMemory
from notifications import AsyncNotifications, Hold, NotificationsError

REMEMBERED_SECONDS, PATIENCE_SECONDS = 3.0, 1.0


@dataclass(frozen=True, slots=True)
class Standing:
    """`holds` are the newest hundred of `total`."""

    holds: Sequence[Hold] = ()
    total: int = 0

    @property
    def held(self) -> int:
        return sum(hold.held for hold in self.holds)

    def of_template(self, code: str) -> Sequence[Hold]:
        return [one for one in self.holds if one.template_code == code]


NOTHING = Standing()


class StandingHolds:
    """For one process. `who`: all visitors with the same name see the same holds."""

    def __init__(self) -> None:
        self._known: TtlMemory[str, Standing] = TtlMemory(1_000, REMEMBERED_SECONDS)
        self._asking: SingleFlight[str, Standing] = SingleFlight()

    async def for_visitor(self, who: str, api: AsyncNotifications) -> Standing:
        """NOTHING also while the gateway does not answer: the page itself says that."""
        known = self._known.get(who, None)
        if known is not None:
            return known
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self._asking.run(who, partial(self._ask, who, api))
        except TimeoutError:
            return NOTHING

    def forget(self, who: str) -> None:
        """A hold was placed or ended here."""
        self._known.drop(who)

    async def close(self) -> None:
        await self._asking.close()

    async def _ask(self, who: str, api: AsyncNotifications) -> Standing:
        try:
            page = await api.holds.list(standing=True).page()
            found = Standing(page.items, page.meta.total)
        except NotificationsError:
            found = NOTHING
        self._known.put(who, found)
        return found
