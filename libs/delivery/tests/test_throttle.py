"""The throttle of recipients' domains: which messages wait, their order, what is postponed, what is forgotten."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry

from delivery import throttle
from delivery.outcomes import Permanent, Postponed, RetryLater, Sent
from delivery.throttle import MAX_DOMAINS, MIN_WAITING_PER_DOMAIN, DomainPermit, DomainThrottle
from testkit.clock import Clock
from testkit.eventually import eventually, other_tasks

REFUSED = RetryLater("throttled", of_domain=True)
PUBLISHED_AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def domains(registry: CollectorRegistry, clock: Clock) -> DomainThrottle:
    return DomainThrottle(registry, concurrency=4, max_waiting=40, first_pause=1.0, max_in_flight=1, clock=clock)


class Queue:
    """Tasks that acquire a permit for a domain: their results, and the order in which they got it."""

    def __init__(self, domains: DomainThrottle) -> None:
        self._domains = domains
        self.tasks: dict[str, asyncio.Task[DomainPermit | Postponed]] = {}
        self.order: list[str] = []

    async def join(
        self, name: str, priority: int = 5, domain: str = "a.example", published_at: datetime = PUBLISHED_AT
    ) -> None:
        self.tasks[name] = asyncio.create_task(self._acquire(name, priority, domain, published_at))
        await other_tasks(3)  # until it waits

    async def _acquire(self, name: str, priority: int, domain: str, at: datetime) -> DomainPermit | Postponed:
        acquired = await self._domains.acquire(domain, name, priority, at)
        if isinstance(acquired, DomainPermit):
            self.order.append(name)
        return acquired

    async def all_permitted(self) -> list[str]:
        """Releases each permit as soon as it is given."""
        while self.tasks:
            done, _ = await asyncio.wait(self.tasks.values(), timeout=10, return_when=asyncio.FIRST_COMPLETED)
            assert done, "a message waits for ever"
            for name in [name for name, task in self.tasks.items() if task in done]:
                if isinstance(acquired := self.tasks.pop(name).result(), DomainPermit):
                    acquired.give_back()
        return self.order

    def postponed(self) -> list[str]:
        return [name for name, task in self.tasks.items() if task.done() and isinstance(task.result(), Postponed)]


@pytest.fixture
async def queue(domains: DomainThrottle) -> AsyncIterator[Queue]:
    made = Queue(domains)
    yield made
    for task in made.tasks.values():
        task.cancel()
    await asyncio.gather(*made.tasks.values(), return_exceptions=True)


async def acquired(domains: DomainThrottle, domain: str = "a.example", recipient: str | None = None) -> DomainPermit:
    permit = await domains.acquire(domain, recipient or uuid4().hex, 5, PUBLISHED_AT)
    assert isinstance(permit, DomainPermit)
    return permit


async def refused(domains: DomainThrottle, domain: str, times: int = 1) -> None:
    for _ in range(times):
        permit = await acquired(domains, domain)
        permit.report(REFUSED)
        permit.give_back()


async def test_the_highest_priority_goes_first_and_equals_in_the_order_of_arrival(domains, queue) -> None:
    first = await acquired(domains)
    for name, priority in (("low", 1), ("urgent", 9), ("middle", 5), ("second urgent", 9)):
        await queue.join(name, priority)
    assert queue.order == []
    first.give_back()
    assert await queue.all_permitted() == ["urgent", "second urgent", "middle", "low"]


async def test_one_that_was_postponed_goes_before_newer_ones_and_takes_the_place_of_the_newest(domains, queue) -> None:
    permit = await acquired(domains)
    waiting = MIN_WAITING_PER_DOMAIN + 2
    for number in range(waiting):
        await queue.join(f"new {number}", published_at=PUBLISHED_AT + timedelta(seconds=number))
    await queue.join("postponed before", published_at=PUBLISHED_AT - timedelta(seconds=30))
    await queue.join("newest", published_at=PUBLISHED_AT + timedelta(seconds=waiting))
    assert queue.postponed() == [f"new {waiting - 1}", "newest"]
    permit.give_back()
    assert await queue.all_permitted() == ["postponed before", *(f"new {number}" for number in range(waiting - 1))]


async def test_another_domain_is_not_held_up(domains, queue) -> None:
    permit = await acquired(domains)
    await queue.join("waits")
    await queue.join("passes", domain="b.example")
    assert queue.order == ["passes"]
    permit.give_back()
    assert await queue.all_permitted() == ["passes", "waits"]


async def test_when_too_many_wait_the_rest_go_back_to_the_ledger_and_an_urgent_one_replaces_the_last(
    domains, queue, registry
) -> None:
    permit = await acquired(domains)
    for number in range(MIN_WAITING_PER_DOMAIN + 2):
        await queue.join(f"waits {number}", priority=5)
    await queue.join("too many", priority=5)
    assert queue.postponed() == ["too many"]
    await queue.join("urgent", priority=9)
    assert queue.postponed() == [f"waits {MIN_WAITING_PER_DOMAIN + 1}", "too many"]
    assert queue.tasks["too many"].result() == Postponed("domain_busy", refusing=False)
    assert registry.get_sample_value("deliveries_throttled_total") == 2
    permit.give_back()
    assert (await queue.all_permitted())[0] == "urgent"


async def test_the_limit_of_waiting_messages_is_for_all_domains_together(registry, clock) -> None:
    small = DomainThrottle(registry, concurrency=4, max_waiting=2, first_pause=1, max_in_flight=1, clock=clock)
    queue = Queue(small)
    permits = [await acquired(small, domain) for domain in ("a.example", "b.example", "c.example")]
    for name in ("a", "b", "c"):
        await queue.join(name, domain=f"{name}.example")
    assert queue.postponed() == ["c"]
    for permit in permits:
        permit.give_back()
    assert sorted(await queue.all_permitted()) == ["a", "b"]


async def test_no_message_waits_longer_than_the_limit(domains, queue, monkeypatch) -> None:
    monkeypatch.setattr(throttle, "WAIT_SECONDS", 0.05)
    permit = await acquired(domains)
    await queue.join("waits")
    await eventually(queue.postponed, 10)
    permit.give_back()
    await queue.join("next")
    assert queue.order == ["next"]


async def test_a_long_pause_of_a_domain_holds_back_waiting_and_new_messages(domains, queue, clock) -> None:
    await refused(domains, "a.example", 2)
    permit = await acquired(domains)
    await queue.join("waits")
    permit.report(RetryLater("throttled", after_seconds=60, of_domain=True))
    permit.give_back()
    await queue.join("comes", priority=10)
    await other_tasks(3)
    assert queue.postponed() == ["waits", "comes"]
    assert queue.tasks["comes"].result() == Postponed("domain_throttled", after_seconds=60, urgent=True)
    clock.advance(60)
    await queue.join("probes")
    assert queue.order == ["probes"]


async def test_a_permit_whose_message_was_not_sent_before_the_pause_is_revoked(registry, clock) -> None:
    wide = DomainThrottle(registry, concurrency=4, max_waiting=40, first_pause=5, clock=clock)
    permits = [await acquired(wide) for _ in range(5)]
    assert [permit.revoked() for permit in permits] == [None] * 5
    for permit in permits[:3]:
        permit.report(REFUSED)
    assert [permit.revoked() for permit in permits[3:]] == [Postponed("domain_throttled", after_seconds=5)] * 2
    for permit in permits:
        permit.give_back()


async def test_after_a_short_pause_the_most_important_waiting_message_probes_the_domain(registry) -> None:
    quick = DomainThrottle(registry, concurrency=4, max_waiting=40, first_pause=0.2)
    await refused(quick, "a.example", 3)
    queue = Queue(quick)
    for name, priority in (("low", 1), ("urgent", 9)):
        await queue.join(name, priority)
    assert queue.order == []
    await eventually(lambda: queue.order, 10)
    await other_tasks(3)
    assert queue.order == ["urgent"], "the probe is alone"
    assert await queue.all_permitted() == ["urgent", "low"]


async def test_only_refusals_by_the_domain_and_accepted_messages_change_its_limit(registry, clock) -> None:
    wide = DomainThrottle(registry, concurrency=4, max_waiting=40, first_pause=1, clock=clock)
    for outcome in (RetryLater("mailbox_full"), Permanent("bounced"), Sent()):
        for _ in range(5):
            permit = await acquired(wide)
            permit.report(outcome)
            permit.give_back()
    assert (wide.throttled, len(wide)) == (0, 0)
    await refused(wide, "a.example")
    assert (wide.throttled, registry.get_sample_value("throttled_domains")) == (1, 1)


async def test_a_cancelled_message_gives_its_permit_to_the_next(domains, queue) -> None:
    permit = await acquired(domains)
    for name in ("gives up", "too late", "stays"):
        await queue.join(name)
    queue.tasks.pop("gives up").cancel()
    await other_tasks(3)
    permit.give_back()  # the permit is given here
    queue.tasks.pop("too late").cancel()  # before its task has run
    assert await queue.all_permitted() == ["stays"]
    assert len(domains) == 0, "every permit was given back"


async def test_a_second_release_does_nothing(domains, queue) -> None:
    first = await acquired(domains)
    await queue.join("second")
    first.give_back()
    await other_tasks(3)
    first.give_back()
    await queue.join("third")
    assert queue.order == ["second"]


async def test_healthy_domains_are_forgotten_and_of_the_throttled_ones_the_last_used_are_kept(registry, clock) -> None:
    wide = DomainThrottle(registry, concurrency=4, max_waiting=40, first_pause=1, clock=clock)
    for number in range(3 * MAX_DOMAINS):
        permit = await acquired(wide, f"well-{number}.example")
        permit.report(Sent())
        permit.give_back()
    assert len(wide) == 0
    busy = await acquired(wide, "busy.example")
    for number in range(3 * MAX_DOMAINS):
        await refused(wide, f"ill-{number}.example")
    assert len(wide) == MAX_DOMAINS
    busy.report(REFUSED)
    assert wide.throttled == MAX_DOMAINS, "a domain in use is not forgotten"
    busy.give_back()
