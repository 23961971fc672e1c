"""Urgent first, and no more at once than is useful; whatever a message held comes back, however its turn ended."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from chassis.process.breaker import BreakerPolicy, BreakerState, CircuitBreaker
from delivery.admission import URGENT_SECONDS, Admission, AdmittedMessage, PrioritySemaphore
from delivery.providers import Provider, Providers
from testkit.eventually import other_tasks

PROVIDER = frozenset({"provider"})


@asynccontextmanager
async def placed(slots: PrioritySemaphore, priority: int) -> AsyncIterator[None]:
    await slots.acquire(priority)
    try:
        yield
    finally:
        slots.release()


class Queue:
    """Tasks that ask for a slot, and the order in which they got one."""

    def __init__(self, slots: PrioritySemaphore) -> None:
        self._slots = slots
        self.served: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def join(self, name: str, priority: int) -> None:
        self.tasks[name] = asyncio.create_task(self._go(name, priority))
        await other_tasks()  # until it waits

    async def _go(self, name: str, priority: int) -> None:
        async with placed(self._slots, priority):
            self.served.append(name)
            await other_tasks()

    async def finished(self) -> list[str]:
        await asyncio.wait(self.tasks.values())
        return self.served


@pytest.fixture
def slots() -> PrioritySemaphore:
    return PrioritySemaphore(1)


async def test_the_highest_priority_that_waits_goes_next_and_equals_in_the_order_they_came(slots) -> None:
    queue = Queue(slots)
    async with placed(slots, 1):
        for name, priority in (("low", 1), ("first high", 9), ("middle", 5), ("second high", 9)):
            await queue.join(name, priority)
    assert await queue.finished() == ["first high", "second high", "middle", "low"]


async def test_no_more_than_the_slots_go_at_once() -> None:
    slots, inside, highest = PrioritySemaphore(3), 0, 0

    async def go() -> None:
        nonlocal inside, highest
        async with placed(slots, 5):
            inside += 1
            highest = max(highest, inside)
            await other_tasks()
            inside -= 1

    await asyncio.gather(*(go() for _ in range(20)))
    assert highest == 3


async def test_a_place_taken_at_once_is_one_less_for_the_others(slots) -> None:
    queue = Queue(slots)
    slots.acquire_at_once()
    await queue.join("waits", 5)
    assert queue.served == []
    slots.release()
    assert await queue.finished() == ["waits"]


async def test_fewer_slots_let_nobody_in_until_enough_are_free_and_more_serve_all_who_wait() -> None:
    slots = PrioritySemaphore(3)
    queue = Queue(slots)
    for _ in range(3):
        await slots.acquire(5)
    await queue.join("first", 5)
    await queue.join("second", 5)
    slots.slots = 1
    slots.release()
    slots.release()
    await other_tasks()
    assert queue.served == [], "one is still at it"
    slots.slots = 9
    slots.release()
    assert await queue.finished() == ["first", "second"]


async def test_whoever_gives_up_waiting_costs_nobody_a_place(slots) -> None:
    queue = Queue(slots)
    async with placed(slots, 1):
        await queue.join("gives up", 9)
        await queue.join("stays", 1)
        queue.tasks["gives up"].cancel()
    assert await queue.finished() == ["stays"]


async def test_a_turn_that_comes_with_the_cancellation_is_passed_on(slots) -> None:
    queue = Queue(slots)
    async with AsyncExitStack() as held:
        await held.enter_async_context(placed(slots, 1))
        await queue.join("too late", 9)
        await queue.join("next", 1)
        await held.aclose()  # the turn is given here
        queue.tasks["too late"].cancel()  # before its task has run
    assert await queue.finished() == ["next"]


@pytest.fixture
def breaker() -> CircuitBreaker:
    return CircuitBreaker("provider", policy=BreakerPolicy(open_seconds=0.2))


async def _break(breaker: CircuitBreaker) -> None:
    while breaker.state is not BreakerState.OPEN:
        breaker.allow().failure()


@asynccontextmanager
async def _slot(admitted: AdmittedMessage) -> AsyncIterator[None]:
    [permit] = (await admitted.slot([PROVIDER])).values()
    try:
        yield
    finally:
        permit.release()


async def _is_free(admission: Admission) -> bool:
    async with asyncio.timeout(1), admission.of(5) as admitted, _slot(admitted):
        return True


async def test_a_place_comes_back_when_the_work_fails(breaker) -> None:
    admission = Admission(Providers([Provider(breaker)]), concurrency=1, beside_urgent=1)

    async def fail() -> None:
        async with admission.of(5) as admitted, _slot(admitted):
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await fail()
    assert await _is_free(admission)


async def test_a_place_comes_back_from_whoever_gives_up_while_the_provider_rests(breaker) -> None:
    admission = Admission(Providers([Provider(breaker)]), concurrency=1, beside_urgent=1)
    await _break(breaker)

    async def wait_in_vain() -> None:
        async with asyncio.timeout(0.05), admission.of(5) as admitted, _slot(admitted):
            pass

    with pytest.raises(TimeoutError):
        await wait_in_vain()
    await breaker.wait_ready()
    assert await _is_free(admission)


async def test_a_permit_that_nobody_settled_is_released(breaker) -> None:
    admission = Admission(Providers([Provider(breaker)]), concurrency=10, beside_urgent=1)
    await _break(breaker)
    await breaker.wait_ready()
    for _ in range(20):  # more than the probes that a half-open breaker lets out
        assert await _is_free(admission)


async def test_a_message_holds_neither_bound_longer_than_it_needs(breaker) -> None:
    admission = Admission(Providers([Provider(breaker)]), concurrency=1, beside_urgent=1)
    async with admission.of(8) as urgent, admission.of(9):  # urgent ones come, so others prepare one at a time
        async with asyncio.timeout(1):
            await urgent.slot([PROVIDER])
        urgent.claimed()
        urgent.sent()
        async with admission.of(8) as admitted:
            async with asyncio.timeout(1):
                await admitted.slot([PROVIDER])
            admitted.claimed()
            admitted.sent()
            admitted.sent()
    async with asyncio.timeout(1), admission.of(1) as first:
        first.claimed()
        async with admission.of(1):
            pass


FEW = 2


class Crossing:
    """Preparations, held until `end`; `inside` are those that began."""

    def __init__(self) -> None:
        self.now = 0.0
        self.admission = Admission(
            Providers([Provider(CircuitBreaker("provider"))]), concurrency=1, beside_urgent=FEW, clock=lambda: self.now
        )
        self.inside: list[int] = []
        self._ends: list[asyncio.Event] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def come(self, *priorities: int) -> None:
        self._tasks |= {asyncio.create_task(self._claim(priority)) for priority in priorities}
        await other_tasks()

    async def end(self, number: int = 1) -> None:
        """The first inside end, one after the other, and let others in."""
        for _ in range(number):
            self._ends.pop(0).set()
            await other_tasks(3)  # it leaves, and who follows comes in

    async def end_all(self) -> None:
        while self._ends:
            await self.end()
        await asyncio.gather(*self._tasks)

    async def urgent_one(self) -> None:
        async with self.admission.of(8):
            pass

    async def _claim(self, priority: int) -> None:
        async with self.admission.of(priority):
            self.inside.append(priority)
            self._ends.append(end := asyncio.Event())
            await end.wait()


async def test_without_urgent_ones_nobody_waits() -> None:
    crossing = Crossing()
    await crossing.come(*[1] * 50)
    assert len(crossing.inside) == 50
    await crossing.end_all()


async def test_after_an_urgent_one_the_others_go_a_few_at_a_time_the_highest_priority_first() -> None:
    crossing = Crossing()
    await crossing.urgent_one()
    await crossing.come(1, 1, 3, 7, 1)
    assert crossing.inside == [1, 1]
    await crossing.end()
    assert crossing.inside == [1, 1, 7]
    await crossing.end_all()
    assert crossing.inside == [1, 1, 7, 3, 1]


async def test_an_urgent_one_waits_for_nobody_and_takes_a_place_from_the_others() -> None:
    crossing = Crossing()
    await crossing.come(10, *[1] * 5)
    await crossing.come(10, 9, 8)
    assert crossing.inside == [10, 1, 10, 9, 8], "the first took one of the two slots"
    await crossing.end_all()


async def test_when_no_urgent_one_has_come_for_a_while_all_who_wait_go_on() -> None:
    crossing = Crossing()
    await crossing.urgent_one()
    await crossing.come(*[1] * 50)
    assert len(crossing.inside) == FEW
    crossing.now += URGENT_SECONDS
    await crossing.end()
    assert len(crossing.inside) == 50, "the first to leave lets all others in"
    await crossing.come(1)
    assert len(crossing.inside) == 51, "whoever comes now does not wait"
    await crossing.end_all()
