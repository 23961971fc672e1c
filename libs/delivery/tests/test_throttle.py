"""Who waits for a domain, who goes first, who is sent back to the ledger; and that nothing is left of it."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry

from delivery import throttle
from delivery.outcomes import HeldBack, Permanent, RetryLater, Sent
from delivery.throttle import LEAST_WAITING, MAX_DOMAINS, DomainThrottle, Place
from testkit.clock import Clock
from testkit.eventually import eventually, other_tasks

REFUSED = RetryLater("throttled", of_domain=True)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def domains(registry: CollectorRegistry, clock: Clock) -> DomainThrottle:
    return DomainThrottle(registry, concurrency=4, room=40, first_pause=1.0, most=1, clock=clock)


class Queue:
    """Tasks that want to enter a domain, what they got, and in which order they got in."""

    def __init__(self, domains: DomainThrottle) -> None:
        self._domains = domains
        self.tasks: dict[str, asyncio.Task[Place | HeldBack]] = {}
        self.order: list[str] = []

    async def join(self, name: str, priority: int = 5, domain: str = "a.example") -> None:
        self.tasks[name] = asyncio.create_task(self._enter(name, priority, domain))
        await other_tasks(3)  # until it waits

    async def _enter(self, name: str, priority: int, domain: str) -> Place | HeldBack:
        entered = await self._domains.enter(domain, name, priority)
        if isinstance(entered, Place):
            self.order.append(name)
        return entered

    async def all_served(self) -> list[str]:
        """Each leaves as soon as it has a place."""
        while self.tasks:
            done, _ = await asyncio.wait(self.tasks.values(), timeout=10, return_when=asyncio.FIRST_COMPLETED)
            assert done, "somebody waits for ever"
            for name in [name for name, task in self.tasks.items() if task in done]:
                if isinstance(entered := self.tasks.pop(name).result(), Place):
                    entered.leave()
        return self.order

    def held_back(self) -> list[str]:
        return [name for name, task in self.tasks.items() if task.done() and isinstance(task.result(), HeldBack)]


@pytest.fixture
async def queue(domains: DomainThrottle) -> AsyncIterator[Queue]:
    made = Queue(domains)
    yield made
    for task in made.tasks.values():
        task.cancel()
    await asyncio.gather(*made.tasks.values(), return_exceptions=True)


async def entered(domains: DomainThrottle, domain: str = "a.example", who: str | None = None) -> Place:
    place = await domains.enter(domain, who or uuid4().hex, 5)
    assert isinstance(place, Place)
    return place


async def refused(domains: DomainThrottle, domain: str, times: int = 1) -> None:
    for _ in range(times):
        place = await entered(domains, domain)
        place.report(REFUSED)
        place.leave()


async def test_the_most_important_goes_first_and_equals_in_the_order_they_came(domains, queue) -> None:
    first = await entered(domains)
    for name, priority in (("low", 1), ("urgent", 9), ("middle", 5), ("second urgent", 9)):
        await queue.join(name, priority)
    assert queue.order == []
    first.leave()
    assert await queue.all_served() == ["urgent", "second urgent", "middle", "low"]


async def test_another_domain_is_not_held_up(domains, queue) -> None:
    place = await entered(domains)
    await queue.join("waits")
    await queue.join("passes", domain="b.example")
    assert queue.order == ["passes"]
    place.leave()
    assert await queue.all_served() == ["passes", "waits"]


async def test_what_finds_no_room_goes_back_to_the_ledger_and_an_urgent_one_takes_the_room_of_the_least(
    domains, queue, registry
) -> None:
    place = await entered(domains)
    for number in range(LEAST_WAITING + 2):
        await queue.join(f"waits {number}", priority=5)
    await queue.join("too many", priority=5)
    assert queue.held_back() == ["too many"]
    await queue.join("urgent", priority=9)
    assert queue.held_back() == [f"waits {LEAST_WAITING + 1}", "too many"]
    assert queue.tasks["too many"].result() == HeldBack("domain_busy", refusing=False)
    assert registry.get_sample_value("deliveries_held_back_total") == 2
    place.leave()
    assert (await queue.all_served())[0] == "urgent"


async def test_the_room_is_shared_by_all_domains(registry, clock) -> None:
    small = DomainThrottle(registry, concurrency=4, room=2, first_pause=1, most=1, clock=clock)
    line = Queue(small)
    places = [await entered(small, domain) for domain in ("a.example", "b.example", "c.example")]
    for name in ("a", "b", "c"):
        await line.join(name, domain=f"{name}.example")
    assert line.held_back() == ["c"]
    for place in places:
        place.leave()
    assert sorted(await line.all_served()) == ["a", "b"]


async def test_nobody_waits_for_longer_than_a_bound(domains, queue, monkeypatch) -> None:
    monkeypatch.setattr(throttle, "WAIT_SECONDS", 0.05)
    place = await entered(domains)
    await queue.join("waits")
    await eventually(queue.held_back, 10)
    place.leave()
    await queue.join("next")
    assert queue.order == ["next"]


async def test_a_domain_that_is_paused_for_long_holds_back_all_who_wait_and_all_who_come(domains, queue, clock) -> None:
    await refused(domains, "a.example", 2)
    place = await entered(domains)
    await queue.join("waits")
    place.report(RetryLater("throttled", after_seconds=60, of_domain=True))
    place.leave()
    await queue.join("comes", priority=10)
    await other_tasks(3)
    assert queue.held_back() == ["waits", "comes"]
    assert queue.tasks["comes"].result() == HeldBack("domain_throttled", after_seconds=60, urgent=True)
    clock.advance(60)
    await queue.join("probes")
    assert queue.order == ["probes"]


async def test_what_has_a_place_and_was_not_sent_before_the_pause_is_held_back(registry, clock) -> None:
    wide = DomainThrottle(registry, concurrency=4, room=40, first_pause=5, clock=clock)
    places = [await entered(wide) for _ in range(5)]
    assert [place.recalled() for place in places] == [None] * 5
    for place in places[:3]:
        place.report(REFUSED)
    assert [place.recalled() for place in places[3:]] == [HeldBack("domain_throttled", after_seconds=5)] * 2
    for place in places:
        place.leave()


async def test_after_a_short_pause_one_of_those_who_wait_goes_and_it_is_the_most_important(registry) -> None:
    quick = DomainThrottle(registry, concurrency=4, room=40, first_pause=0.2)
    await refused(quick, "a.example", 3)
    line = Queue(quick)
    for name, priority in (("low", 1), ("urgent", 9)):
        await line.join(name, priority)
    assert line.order == []
    await eventually(lambda: line.order, 10)
    await other_tasks(3)
    assert line.order == ["urgent"], "the probe is alone"
    assert await line.all_served() == ["urgent", "low"]


async def test_only_the_domains_own_refusals_and_what_it_takes_change_its_limit(registry, clock) -> None:
    wide = DomainThrottle(registry, concurrency=4, room=40, first_pause=1, clock=clock)
    for outcome in (RetryLater("mailbox_full"), Permanent("bounced"), Sent()):
        for _ in range(5):
            place = await entered(wide)
            place.report(outcome)
            place.leave()
    assert (wide.throttled, len(wide)) == (0, 0)
    await refused(wide, "a.example")
    assert (wide.throttled, registry.get_sample_value("throttled_domains")) == (1, 1)


async def test_whoever_is_cancelled_leaves_the_place_to_the_next(domains, queue) -> None:
    place = await entered(domains)
    for name in ("gives up", "too late", "stays"):
        await queue.join(name)
    queue.tasks.pop("gives up").cancel()
    await other_tasks(3)
    place.leave()  # the place is given here
    queue.tasks.pop("too late").cancel()  # before its task has run
    assert await queue.all_served() == ["stays"]
    assert len(domains) == 0, "everybody has left"


async def test_leaving_twice_is_leaving_once(domains, queue) -> None:
    first = await entered(domains)
    await queue.join("second")
    first.leave()
    await other_tasks(3)
    first.leave()
    await queue.join("third")
    assert queue.order == ["second"]


async def test_domains_that_are_well_are_forgotten_and_of_the_others_the_last_used_are_kept(registry, clock) -> None:
    wide = DomainThrottle(registry, concurrency=4, room=40, first_pause=1, clock=clock)
    for number in range(3 * MAX_DOMAINS):
        place = await entered(wide, f"well-{number}.example")
        place.report(Sent())
        place.leave()
    assert len(wide) == 0
    busy = await entered(wide, "busy.example")
    for number in range(3 * MAX_DOMAINS):
        await refused(wide, f"ill-{number}.example")
    assert len(wide) == MAX_DOMAINS
    busy.report(REFUSED)
    assert wide.throttled == MAX_DOMAINS, "a domain in use is not forgotten"
    busy.leave()
