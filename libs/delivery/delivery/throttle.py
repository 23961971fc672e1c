"""Limits the messages in flight to one domain of recipients. Further messages wait here, or in the ledger.

A message that waits here has no slot, no connection and no claim. The broker still owns it.
"""

import asyncio
import math
import time
from bisect import insort
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from itertools import count

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from contracts.topology import URGENT
from delivery.domain_limit import DomainLimit
from delivery.outcomes import Outcome, Postponed, RetryLater, Sent

log = structlog.get_logger()

MAX_DOMAINS = 1_000  # domains in memory: the most recently used ones
# After this wait the delivery waits in the ledger instead, so that the worker can prefetch a message for another domain.
WAIT_SECONDS = 10.0
MIN_WAITING_PER_DOMAIN = 8  # messages that may wait for one domain, even at its lowest limit


_Rank = tuple[int, datetime]  # the negated priority, and when the message was published first: the smallest goes first
_Waiter = tuple[_Rank, int, asyncio.Future[bool]]  # the number is the arrival


class _Domain:
    """`waiting` is sorted by priority, highest first, then by age, oldest first. A future's result is True if it got a
    permit.
    """

    __slots__ = ("limit", "timer", "waiting")

    def __init__(self, limit: DomainLimit) -> None:
        self.limit = limit
        self.waiting: list[_Waiter] = []
        self.timer: asyncio.TimerHandle | None = None


class DomainThrottle:
    """`acquire` a permit for the domain before a message is prepared.

    `max_in_flight`: the limit of a domain that refuses nothing (None: no limit). `concurrency`: the calls in flight of the
    process. `max_waiting`: how many messages may wait here at once, for all domains. `first_pause` and `clock`: in seconds.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        concurrency: int,
        max_waiting: int,
        first_pause: float,
        max_in_flight: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_in_flight = math.inf if max_in_flight is None else max_in_flight
        self._recovered = concurrency if max_in_flight is None else min(concurrency, max_in_flight)
        self._max_waiting = max_waiting
        self._first_pause = first_pause
        self.clock = clock
        self._domains: OrderedDict[str, _Domain] = OrderedDict()  # the most recently used one is the last
        self._arrivals = count()
        self._waiting = 0
        self._postponed = Counter(
            "deliveries_throttled_total",
            "Times that a delivery was put off without a call, because its recipient's domain refused mail lately or because "
            "our own limit of messages in flight to it is reached",
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

    async def acquire(
        self, name: str, recipient_key: str, priority: int, published_at: datetime
    ) -> "DomainPermit | Postponed":
        """Waits for a permit to send to the domain `name`. `recipient_key` is the key in the ledger. Within a priority, the
        message with the earliest first publishing (`published_at`) goes first: one that was postponed is not overtaken again
        and again.

        Postponed: the domain is paused for too long, or too many messages wait already. Then the ledger keeps the delivery.
        """
        rank = (-priority, published_at)
        domain = self._domain(name)
        now = self.clock()
        if domain.waiting or not domain.limit.is_free(now):
            may_wait = domain.limit.pause_left(now) <= WAIT_SECONDS and self._may_wait(domain, rank, now)
            if not may_wait or not await self._wait(name, domain, rank):
                return self.postpone(domain, priority)
        else:
            domain.limit.in_flight += 1
        return DomainPermit(self, name, domain, recipient_key, priority, began=self.clock())

    def serve(self, name: str, domain: _Domain) -> None:
        """Gives free permits to the waiting messages. During a long pause, all waiting messages are postponed."""
        now = self.clock()
        while domain.waiting and domain.limit.is_free(now):
            waiter = domain.waiting.pop(0)[2]
            if not waiter.done():
                domain.limit.in_flight += 1
                waiter.set_result(True)
        pause = domain.limit.pause_left(now)
        if pause > WAIT_SECONDS:
            while domain.waiting:
                _refuse(domain.waiting.pop()[2])
        elif pause and domain.waiting and domain.timer is None:
            domain.timer = asyncio.get_running_loop().call_later(pause, self._pause_ended, name, domain)
        self._forget_if_healthy(name, domain, now)

    def postpone(self, domain: _Domain, priority: int) -> Postponed:
        self._postponed.inc()
        now, urgent = self.clock(), priority >= URGENT
        if not domain.limit.is_throttled(now):
            return Postponed("domain_busy", refusing=False, urgent=urgent)
        return Postponed("domain_throttled", after_seconds=domain.limit.pause_left(now) or None, urgent=urgent)

    async def _wait(self, name: str, domain: _Domain, rank: _Rank) -> bool:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        entry = (rank, next(self._arrivals), waiter)
        insort(domain.waiting, entry)
        self._waiting += 1
        deadline = loop.call_later(WAIT_SECONDS, _refuse, waiter)
        self.serve(name, domain)  # sets the timer if the domain is paused
        permitted = False
        try:
            permitted = await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():  # the future was resolved at the same moment
                domain.limit.in_flight -= waiter.result()
            raise
        finally:
            deadline.cancel()
            self._waiting -= 1
            if not permitted:
                if entry in domain.waiting:
                    domain.waiting.remove(entry)
                self.serve(name, domain)
        return permitted

    def _may_wait(self, domain: _Domain, rank: _Rank, now: float) -> bool:
        """When the limit is reached, a message replaces the domain's last one if it goes before that."""
        limit = MIN_WAITING_PER_DOMAIN + 2 * domain.limit.at_once(now)
        if self._waiting < self._max_waiting and len(domain.waiting) < limit:
            return True
        if domain.waiting and rank < domain.waiting[-1][0]:
            _refuse(domain.waiting.pop()[2])
            return True
        return False

    def _domain(self, name: str) -> _Domain:
        domain = self._domains.get(name)
        if domain is None:
            limit = DomainLimit(
                max_in_flight=self._max_in_flight, recovered=self._recovered, first_pause=self._first_pause
            )
            domain = self._domains[name] = _Domain(limit)
            if len(self._domains) > MAX_DOMAINS:
                self._forget_the_oldest()
        else:
            self._domains.move_to_end(name)
        return domain

    def _forget_the_oldest(self) -> None:
        """A forgotten domain is treated as healthy until it refuses a message again."""
        idle = (name for name, one in self._domains.items() if not one.limit.in_flight and not one.waiting)
        oldest = next(idle)  # there is one: the domain that was just added has no message yet
        del self._domains[oldest]

    def _forget_if_healthy(self, name: str, domain: _Domain, now: float) -> None:
        busy = domain.limit.in_flight or domain.waiting
        if not busy and not domain.limit.is_throttled(now) and self._domains.get(name) is domain:
            del self._domains[name]

    def _pause_ended(self, name: str, domain: _Domain) -> None:
        domain.timer = None
        self.serve(name, domain)


class DomainPermit:
    """One permitted message to a domain. Report its outcome, if a provider was called, then give it back."""

    __slots__ = ("_began", "_domain", "_given_back", "_name", "_priority", "_recipient_key", "_throttle")

    def __init__(
        self, throttle: DomainThrottle, name: str, domain: _Domain, recipient_key: str, priority: int, *, began: float
    ) -> None:
        self._throttle = throttle
        self._name = name
        self._domain = domain
        self._recipient_key = recipient_key
        self._priority = priority
        self._began = began
        self._given_back = False

    def revoked(self) -> Postponed | None:
        """Postponed: the domain was paused while the message waited for a slot. The message must not be sent now."""
        if not self._domain.limit.pause_left(self._throttle.clock()):
            return None
        return self._throttle.postpone(self._domain, self._priority)

    def report(self, outcome: Outcome) -> None:
        """Counts messages that the domain accepted or refused for now. Other outcomes say nothing about the domain."""
        limit, now = self._domain.limit, self._throttle.clock()
        match outcome:
            case Sent():
                limit.note_accepted(began=self._began)
            case RetryLater(of_domain=True, after_seconds=requested_pause):
                if limit.note_refused(self._recipient_key, began=self._began, now=now, requested_pause=requested_pause):
                    log.info("domain.paused", seconds=round(limit.pause_left(now)), throttled=self._throttle.throttled)

    def give_back(self) -> None:
        """A second call does nothing."""
        if not self._given_back:
            self._given_back = True
            self._domain.limit.in_flight -= 1
            self._throttle.serve(self._name, self._domain)


def _refuse(waiter: asyncio.Future[bool]) -> None:
    if not waiter.done():
        waiter.set_result(False)
