"""Each recipients' domain gets as many messages at once as it takes; the messages beyond that wait here, or in the ledger.

A message that waits here has no slot, no connection and no claim. The broker still owns it.
"""

import asyncio
import math
import time
from bisect import insort
from collections import OrderedDict
from collections.abc import Callable
from itertools import count

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from contracts.topology import URGENT
from delivery.domain_limit import DomainLimit
from delivery.outcomes import HeldBack, Outcome, RetryLater, Sent

log = structlog.get_logger()

MAX_DOMAINS = 1_000  # remembered at once; those that were used last
WAIT_SECONDS = (
    10.0  # then the delivery goes back to the ledger, and other domains' messages get its place in the prefetch
)
LEAST_WAITING = 8  # messages that may wait for one domain, even at its lowest limit


class _Domain:
    """`waiting` is sorted: the highest priority first, and among equals the first that came.

    A future's result is True if it was given a place.
    """

    __slots__ = ("limit", "timer", "waiting")

    def __init__(self, limit: DomainLimit) -> None:
        self.limit = limit
        self.waiting: list[tuple[int, int, asyncio.Future[bool]]] = []
        self.timer: asyncio.TimerHandle | None = None


class DomainThrottle:
    """`enter` a domain before a message is prepared.

    `most` is the upper bound for a domain that refuses nothing (None: no bound), `concurrency` the calls in flight of the
    process, `room` the messages that may wait here at once, over all domains. `first_pause` and `clock` are in seconds.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        concurrency: int,
        room: int,
        first_pause: float,
        most: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = math.inf if most is None else most
        self._recovered = concurrency if most is None else min(concurrency, most)
        self._room = room
        self._first_pause = first_pause
        self.clock = clock
        self._domains: OrderedDict[str, _Domain] = OrderedDict()  # the one that was used last is at the end
        self._arrivals = count()
        self._waiting = 0
        self._held = Counter(
            "deliveries_held_back_total",
            "Deliveries that were put off without a call, because their recipient's domain takes less mail now",
            registry=registry,
        )
        gauge = Gauge(
            "throttled_domains",
            "Recipients' domains that get fewer messages at once, because they refused some for now",
            registry=registry,
        )
        gauge.set_function(lambda: self.throttled)

    def __len__(self) -> int:
        return len(self._domains)

    @property
    def throttled(self) -> int:
        now = self.clock()
        return sum(one.limit.is_throttled(now) for one in self._domains.values())

    async def enter(self, name: str, who: str, priority: int) -> "Place | HeldBack":
        """Waits for a place on the way to the domain `name`. `who` identifies the recipient.

        HeldBack: the domain is paused for longer, or too many messages wait already. Then the ledger keeps the delivery.
        """
        domain = self._domain(name)
        now = self.clock()
        if domain.waiting or not domain.limit.is_free(now):
            may_wait = domain.limit.pause_left(now) <= WAIT_SECONDS and self._has_room(domain, priority, now)
            if not may_wait or not await self._turn(name, domain, priority):
                return self.hold_back(domain, priority)
        else:
            domain.limit.in_flight += 1
        return Place(self, name, domain, who, priority, began=self.clock())

    def serve(self, name: str, domain: _Domain) -> None:
        """Gives free places to those who wait, and sends all back when the domain is paused for longer than they may wait."""
        now = self.clock()
        while domain.waiting and domain.limit.is_free(now):
            turn = domain.waiting.pop(0)[2]
            if not turn.done():
                domain.limit.in_flight += 1
                turn.set_result(True)
        pause = domain.limit.pause_left(now)
        if pause > WAIT_SECONDS:
            while domain.waiting:
                _refuse(domain.waiting.pop()[2])
        elif pause and domain.waiting and domain.timer is None:
            domain.timer = asyncio.get_running_loop().call_later(pause, self._pause_ended, name, domain)
        self._forget_if_healthy(name, domain, now)

    def hold_back(self, domain: _Domain, priority: int) -> HeldBack:
        self._held.inc()
        now, urgent = self.clock(), priority >= URGENT
        if not domain.limit.is_throttled(now):
            return HeldBack("domain_busy", refusing=False, urgent=urgent)
        return HeldBack("domain_throttled", after_seconds=domain.limit.pause_left(now) or None, urgent=urgent)

    async def _turn(self, name: str, domain: _Domain, priority: int) -> bool:
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[bool] = loop.create_future()
        place = (-priority, next(self._arrivals), turn)
        insort(domain.waiting, place)
        self._waiting += 1
        deadline = loop.call_later(WAIT_SECONDS, _refuse, turn)
        self.serve(name, domain)  # sets the timer if the domain is paused
        has_place = False
        try:
            has_place = await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it was answered in the same moment
                domain.limit.in_flight -= turn.result()
            raise
        finally:
            deadline.cancel()
            self._waiting -= 1
            if not has_place:
                if place in domain.waiting:
                    domain.waiting.remove(place)
                self.serve(name, domain)
        return has_place

    def _has_room(self, domain: _Domain, priority: int, now: float) -> bool:
        """A message of a higher priority takes the room of the domain's least important one."""
        most = LEAST_WAITING + 2 * domain.limit.at_once(now)
        if self._waiting < self._room and len(domain.waiting) < most:
            return True
        if domain.waiting and -domain.waiting[-1][0] < priority:
            _refuse(domain.waiting.pop()[2])
            return True
        return False

    def _domain(self, name: str) -> _Domain:
        domain = self._domains.get(name)
        if domain is None:
            limit = DomainLimit(most=self._most, recovered=self._recovered, first_pause=self._first_pause)
            domain = self._domains[name] = _Domain(limit)
            if len(self._domains) > MAX_DOMAINS:
                self._forget_the_oldest()
        else:
            self._domains.move_to_end(name)
        return domain

    def _forget_the_oldest(self) -> None:
        """A forgotten domain is treated as healthy until it refuses a message again."""
        idle = (name for name, one in self._domains.items() if not one.limit.in_flight and not one.waiting)
        oldest = next(idle)  # the newest domain at least, which has no message yet
        del self._domains[oldest]

    def _forget_if_healthy(self, name: str, domain: _Domain, now: float) -> None:
        busy = domain.limit.in_flight or domain.waiting
        if not busy and not domain.limit.is_throttled(now) and self._domains.get(name) is domain:
            del self._domains[name]

    def _pause_ended(self, name: str, domain: _Domain) -> None:
        domain.timer = None
        self.serve(name, domain)


class Place:
    """One message on its way to a domain. `leave` when it has ended; call `report` before, if a provider was called."""

    __slots__ = ("_began", "_domain", "_left", "_name", "_priority", "_throttle", "_who")

    def __init__(
        self, throttle: DomainThrottle, name: str, domain: _Domain, who: str, priority: int, *, began: float
    ) -> None:
        self._throttle = throttle
        self._name = name
        self._domain = domain
        self._who = who
        self._priority = priority
        self._began = began
        self._left = False

    def recalled(self) -> HeldBack | None:
        """Not None: the domain was paused while the message waited for a slot, so it must not go now."""
        if not self._domain.limit.pause_left(self._throttle.clock()):
            return None
        return self._throttle.hold_back(self._domain, self._priority)

    def report(self, outcome: Outcome) -> None:
        """Only a message that the domain took, or that the domain itself refused for now, says something about it."""
        limit, now = self._domain.limit, self._throttle.clock()
        match outcome:
            case Sent():
                limit.accepted(began=self._began)
            case RetryLater(of_domain=True, after_seconds=asked):
                if limit.refused(self._who, began=self._began, now=now, asked=asked):
                    log.info("domain.paused", seconds=round(limit.pause_left(now)), domains=self._throttle.throttled)

    def leave(self) -> None:
        """A second call does nothing."""
        if not self._left:
            self._left = True
            self._domain.limit.in_flight -= 1
            self._throttle.serve(self._name, self._domain)


def _refuse(turn: asyncio.Future[bool]) -> None:
    if not turn.done():
        turn.set_result(False)
