"""Admission: urgent messages first, limited numbers at once, and everything is released however the work ends."""

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
async def slot_of(slots: PrioritySemaphore, priority: int) -> AsyncIterator[None]:
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
        async with slot_of(self._slots, priority):
            self.served.append(name)
            await other_tasks()

    async def finished(self) -> list[str]:
        await asyncio.wait(self.tasks.values())
        return self.served


@pytest.fixture
def slots() -> PrioritySemaphore:
    return PrioritySemaphore(1)


async def test_the_highest_waiting_priority_goes_next_and_equals_in_the_order_of_arrival(slots) -> None:
    queue = Queue(slots)
    async with slot_of(slots, 1):
        for name, priority in (("low", 1), ("first high", 9), ("middle", 5), ("second high", 9)):
            await queue.join(name, priority)
    assert await queue.finished() == ["first high", "second high", "middle", "low"]


async def test_no_more_than_the_slots_go_at_once() -> None:
    slots, inside, highest = PrioritySemaphore(3), 0, 0

    async def go() -> None:
        nonlocal inside, highest
        async with slot_of(slots, 5):
            inside += 1
            highest = max(highest, inside)
            await other_tasks()
            inside -= 1

    await asyncio.gather(*(go() for _ in range(20)))
    assert highest == 3


async def test_a_slot_that_was_taken_without_waiting_counts(slots) -> None:
    queue = Queue(slots)
    slots.acquire_at_once()
    await queue.join("waits", 5)
    assert queue.served == []
    slots.release()
    assert await queue.finished() == ["waits"]


async def test_fewer_slots_count_until_enough_are_free_and_more_slots_serve_all_waiting_tasks() -> None:
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
    assert queue.served == [], "one slot is still in use"
    slots.slots = 9
    slots.release()
    assert await queue.finished() == ["first", "second"]


async def test_a_task_that_gives_up_waiting_takes_no_slot(slots) -> None:
    queue = Queue(slots)
    async with slot_of(slots, 1):
        await queue.join("gives up", 9)
        await queue.join("stays", 1)
        queue.tasks["gives up"].cancel()
    assert await queue.finished() == ["stays"]


async def test_a_slot_that_is_given_together_with_a_cancellation_is_passed_on(slots) -> None:
    queue = Queue(slots)
    async with AsyncExitStack() as held:
        await held.enter_async_context(slot_of(slots, 1))
        await queue.join("too late", 9)
        await queue.join("next", 1)
        await held.aclose()  # the slot is given here
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
        permit.give_back()


async def _is_free(admission: Admission) -> bool:
    async with asyncio.timeout(1), admission.for_priority(5) as admitted, _slot(admitted):
        return True


async def test_a_slot_comes_back_when_the_work_fails(breaker) -> None:
    admission = Admission(Providers([Provider(breaker)]), concurrency=1, beside_urgent=1)

    async def fail() -> None:
        async with admission.for_priority(5) as admitted, _slot(admitted):
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await fail()
    assert await _is_free(admission)


async def test_a_slot_comes_back_from_a_task_that_gives_up_while_the_breaker_is_open(breaker) -> None:
    admission = Admission(Providers([Provider(breaker)]), concurrency=1, beside_urgent=1)
    await _break(breaker)

    async def wait_in_vain() -> None:
        async with asyncio.timeout(0.05), admission.for_priority(5) as admitted, _slot(admitted):
            pass

    with pytest.raises(TimeoutError):
        await wait_in_vain()
    await breaker.wait_ready()
    assert await _is_free(admission)


async def test_a_permit_without_a_reported_outcome_is_released(breaker) -> None:
    admission = Admission(Providers([Provider(breaker)]), concurrency=10, beside_urgent=1)
    await _break(breaker)
    await breaker.wait_ready()
    for _ in range(20):  # more than the probes that a half-open breaker lets out
        assert await _is_free(admission)


async def test_a_message_occupies_neither_limit_longer_than_it_needs(breaker) -> None:
    admission = Admission(Providers([Provider(breaker)]), concurrency=1, beside_urgent=1)
    # Urgent messages come, so others are prepared one at a time.
    async with admission.for_priority(8) as urgent, admission.for_priority(9):
        async with asyncio.timeout(1):
            await urgent.slot([PROVIDER])
        urgent.end_preparation()
        urgent.return_slot()
        async with admission.for_priority(8) as admitted:
            async with asyncio.timeout(1):
                await admitted.slot([PROVIDER])
            admitted.end_preparation()
            admitted.return_slot()
            admitted.return_slot()
    async with asyncio.timeout(1), admission.for_priority(1) as first:
        first.end_preparation()
        async with admission.for_priority(1):
            pass


FEW = 2


class Preparations:
    """Preparations that last until `end`; `inside` has the priorities of those that have begun."""

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
        """Ends the first preparations, one after the other, so that others may begin."""
        for _ in range(number):
            self._ends.pop(0).set()
            await other_tasks(3)  # it leaves, and the next one is admitted

    async def end_all(self) -> None:
        while self._ends:
            await self.end()
        await asyncio.gather(*self._tasks)

    async def urgent_one(self) -> None:
        async with self.admission.for_priority(8):
            pass

    async def _claim(self, priority: int) -> None:
        async with self.admission.for_priority(priority):
            self.inside.append(priority)
            self._ends.append(end := asyncio.Event())
            await end.wait()


async def test_without_urgent_messages_no_message_waits() -> None:
    preparations = Preparations()
    await preparations.come(*[1] * 50)
    assert len(preparations.inside) == 50
    await preparations.end_all()


async def test_after_an_urgent_message_other_messages_go_a_few_at_a_time_the_highest_priority_first() -> None:
    preparations = Preparations()
    await preparations.urgent_one()
    await preparations.come(1, 1, 3, 7, 1)
    assert preparations.inside == [1, 1]
    await preparations.end()
    assert preparations.inside == [1, 1, 7]
    await preparations.end_all()
    assert preparations.inside == [1, 1, 7, 3, 1]


async def test_an_urgent_message_never_waits_and_takes_a_slot_from_other_messages() -> None:
    preparations = Preparations()
    await preparations.come(10, *[1] * 5)
    await preparations.come(10, 9, 8)
    assert preparations.inside == [10, 1, 10, 9, 8], "the first one uses one of the two slots"
    await preparations.end_all()


async def test_when_no_urgent_message_has_come_for_a_while_all_waiting_messages_go_on() -> None:
    preparations = Preparations()
    await preparations.urgent_one()
    await preparations.come(*[1] * 50)
    assert len(preparations.inside) == FEW
    preparations.now += URGENT_SECONDS
    await preparations.end()
    assert len(preparations.inside) == 50, "the first to leave admits all others"
    await preparations.come(1)
    assert len(preparations.inside) == 51, "a message that comes now does not wait"
    await preparations.end_all()
