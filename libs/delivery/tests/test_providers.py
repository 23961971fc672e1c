"""The choice of a provider, and when another one may take over."""

import asyncio
import time
from collections import Counter
from datetime import UTC, datetime
from functools import partial
from uuid import UUID, uuid4

import pytest
from prometheus_client import CollectorRegistry

from chassis.broker.watermarks import ConsumedWatermarks
from chassis.process.breaker import BreakerPolicy, CircuitBreaker, NotCallableNow
from chassis.redis.pace import LATE_SECONDS, Pace
from contracts.messages import NotificationMessage, TemplateRef
from contracts.recipients import EmailRecipient, PushRecipient, PushToken
from delivery.admission import Admission
from delivery.attempts import Attempts
from delivery.channel import NotReady, Target
from delivery.decisions import DeliveryReport, RetryPolicy
from delivery.engine import Engine
from delivery.metrics import DeliveryMetrics
from delivery.outcomes import AccountRefused, Ambiguous, Outcome, ProviderDown, RetryLater, Sent
from delivery.providers import PROVIDER_HELD, Provider, ProviderHeld, Providers
from delivery.template_store import StoredTemplate
from testkit.eventually import eventually, stays

BOTH = frozenset({"a", "b"})


def provider(name: str, **limits: float) -> Provider:
    return Provider(CircuitBreaker(name, policy=BreakerPolicy(minimum_calls=2, open_seconds=60)), **limits)


def break_it(broken: Provider) -> None:
    while not broken.is_blocked:
        broken.breaker.allow().failure()


async def taken(providers: Providers, times: int = 1_000) -> Counter[str]:
    names: Counter[str] = Counter()
    for _ in range(times):
        permit = await providers.take(BOTH)
        names[permit.provider.name] += 1
        permit.give_back()
    return names


async def test_the_first_in_order_gets_all_until_its_breaker_opens() -> None:
    first = provider("a")
    providers = Providers([first, provider("b", order=2)])
    assert await taken(providers) == {"a": 1_000}
    break_it(first)
    assert await taken(providers) == {"b": 1_000}


async def test_equals_share_by_weight_and_errors_shift_it() -> None:
    heavy, light = provider("a", weight=3), provider("b")
    providers = Providers([heavy, light])
    assert 650 < (await taken(providers))["a"] < 850
    for _ in range(20):
        heavy.take().report(RetryLater("throttled"))
    assert (await taken(providers))["a"] < 250
    for _ in range(40):
        heavy.take().report(Sent())
    assert (await taken(providers))["a"] > 650


@pytest.mark.parametrize(
    "outcome", [ProviderDown("x"), Ambiguous("x"), RetryLater("x"), AccountRefused("x", affects_all=False)]
)
def test_a_message_that_was_not_accepted_lowers_the_share(outcome: Outcome) -> None:
    one = provider("a")
    one.take().report(outcome)
    assert one.share < 1


async def test_a_provider_gets_no_more_a_second_than_it_may_and_the_other_gets_the_rest(redis) -> None:
    slow = provider("a", pace=Pace(redis, "a", 0.1))
    assert await taken(Providers([slow, provider("b", order=2)]), 100) == {"a": 1, "b": 99}
    assert 8 < slow.retry_after <= 10


async def test_the_workers_of_a_channel_share_the_pace_of_a_provider(redis) -> None:
    """However many messages wait in each of them: thirty calls at 100 a second take 0.3 s, less what one may be late."""
    workers = [
        Admission(Providers([provider("a", pace=Pace(redis, "a", 100))]), concurrency=5, beside_urgent=1)
        for _ in range(2)
    ]
    called: Counter[int] = Counter()

    async def send(number: int) -> None:
        async with workers[number].for_priority(5) as admitted:
            [permit] = (await admitted.slot([frozenset({"a"})])).values()
            called[number] += 1
            permit.give_back()

    began = time.monotonic()
    await asyncio.gather(*(send(number % 2) for number in range(30)))
    assert time.monotonic() - began > 0.29 - LATE_SECONDS - 0.01
    assert called == {0: 15, 1: 15}


async def test_a_provider_gets_no_more_calls_at_once_than_it_may() -> None:
    narrow = Providers([provider("a", connections=2)])
    first, _second = await narrow.take({"a"}), await narrow.take({"a"})
    with pytest.raises(NotCallableNow):
        await narrow.take({"a"})
    waits = asyncio.create_task(narrow.wait_ready({"a"}))
    first.give_back()
    first.give_back()
    await asyncio.wait_for(waits, 5)
    await narrow.take({"a"})
    with pytest.raises(NotCallableNow):
        await narrow.take({"a"})


async def test_consuming_pauses_when_every_provider_in_use_is_down() -> None:
    used, other, never = provider("a"), provider("b"), provider("c")
    providers = Providers([used, other, never])
    used.take().give_back()
    other.take().give_back()
    pause = asyncio.create_task(providers.wait_until_none_works())
    break_it(used)
    await eventually(lambda: used.is_blocked)
    assert not pause.done()
    break_it(other)
    await asyncio.wait_for(pause, 5)


class Channel:
    """Two providers for every e-mail address; a device's own for push. `says` has what each of them answers next."""

    name = "email"
    suppression_list = None

    def __init__(self) -> None:
        self.says: dict[str, list[Outcome]] = {}
        self.unreachable: set[str] = set()
        self.called: list[str] = []
        self.delivered = False
        self.open = 0

    def targets(self, recipient):
        if isinstance(recipient, PushRecipient):
            return [Target(one.token, recipient.name, one.token) for one in recipient.push_tokens]
        return [Target("r1", recipient.name, recipient.email)]

    def providers_for(self, target):
        return frozenset({target.address}) if target.address in BOTH else BOTH

    def render(self, template, message):
        return "content"

    async def open_session(self, provider):
        if provider in self.unreachable:
            raise NotReady(ProviderDown("unreachable"))
        self.open += 1
        return Session(self, provider)

    async def was_taken(self, message):
        return self.delivered

    async def act_on_outcome(self, message, target, outcome, *, age_seconds) -> None:
        pass


class Session:
    def __init__(self, channel: Channel, provider: str) -> None:
        self.channel, self.provider = channel, provider

    async def send(self, content, target, context) -> Outcome:
        self.channel.called.append(self.provider)
        said = self.channel.says.get(self.provider)
        return said.pop(0) if said else Sent("p")

    def close(self) -> None:
        self.channel.open -= 1


class Copy:
    """The broker's delivery of a message."""

    message_id, headers, redelivered, answer = "m", {}, False, ""

    def __init__(self, body: bytes) -> None:
        self.body = body

    async def ack(self) -> None:
        self.answer = "ack"

    async def reject(self) -> None:
        self.answer = "reject"


class Worker:
    """A worker on a real ledger, and what it reported."""

    def __init__(self, ledger, channel: Channel, providers: Providers, *, max_retries: int = 5) -> None:
        self.ledger, self.channel, self.providers = ledger, channel, providers
        self.reports: list[DeliveryReport] = []
        self.registry = CollectorRegistry()
        metrics = DeliveryMetrics(self.registry, "email", providers.names)
        self.engine = Engine(
            channel,
            ledger=ledger,
            recipients=self,
            attempts=Attempts(
                channel,
                templates=self,
                admission=Admission(providers, concurrency=10, beside_urgent=1),
                metrics=metrics,
                lease_seconds=60,
            ),
            reporter=self,
            policy=RetryPolicy(base_seconds=0.01, down_seconds=0.01, max_retries=max_retries),
            metrics=metrics,
            watermarks=ConsumedWatermarks(),
        )

    async def resolve(self, message):
        return message.recipient

    async def get(self, ref):
        return StoredTemplate(object(), None)

    def answers(self, provider: str, answer: str) -> float | None:
        labels = {"type": "email", "provider": provider, "answer": answer}
        return self.registry.get_sample_value("provider_answers_total", labels)

    async def report(self, message, report) -> None:
        self.reports.append(report)

    async def deliver(self, message: bytes) -> str:
        copy = Copy(message)
        await self.engine.handle(copy)
        assert self.channel.open == 0, "every session was closed"
        return copy.answer

    async def again(self, message: bytes) -> str:
        """When its retry is due."""
        await eventually(lambda: self.ledger.take_due(lease_seconds=60, silence_seconds=15, limit=10), 10)
        return await self.deliver(message)


@pytest.fixture
def channel() -> Channel:
    return Channel()


@pytest.fixture
def first() -> Provider:
    return provider("a")


@pytest.fixture
def worker(ledger_of, channel: Channel, first: Provider) -> Worker:
    """Provider `a` is the first in order, `b` the second."""
    return Worker(ledger_of("w1"), channel, Providers([first, provider("b", order=2)]))


def message(
    recipient: EmailRecipient | PushRecipient | None = None, notification_id: UUID | None = None, priority: int = 5
) -> bytes:
    return (
        NotificationMessage(
            notification_id=notification_id or uuid4(),
            request_id="r",
            correlation_id="c",
            notification_type="email",
            user_id=uuid4(),
            template=TemplateRef(code="t", version=1, language="en"),
            variables={},
            recipient=recipient or EmailRecipient(name="Ada", email="ada@example.com"),
            priority=priority,
            created_at=datetime.now(UTC),
        )
        .model_dump_json()
        .encode()
    )


def ends(worker: Worker) -> list[tuple[str, str | None, str | None]]:
    return [(one.status, one.code, one.provider) for one in worker.reports]


async def test_a_provider_that_cannot_be_reached_is_passed_over_in_the_same_attempt(worker, channel) -> None:
    channel.unreachable = {"a"}
    assert await worker.deliver(message()) == "ack"
    assert channel.called == ["b"]
    assert ends(worker) == [("sent", None, "b")]
    assert (worker.answers("a", "down"), worker.answers("b", "taken")) == (1, 1)


async def test_when_none_can_be_reached_it_waits_and_spends_nothing(worker, channel) -> None:
    channel.unreachable = {"a", "b"}
    mail = message()
    await worker.deliver(mail)
    channel.unreachable = set()
    await worker.again(mail)
    assert ends(worker) == [("retrying", "unreachable", None), ("sent", None, "a")]
    assert worker.reports[-1].attempts == 1


async def test_after_a_definite_no_another_may_take_it(worker, channel, first) -> None:
    channel.says["a"] = [ProviderDown("gone")]
    mail = message()
    await worker.deliver(mail)
    break_it(first)
    await worker.again(mail)
    assert channel.called == ["a", "b"]
    assert ends(worker)[-1] == ("sent", None, "b")


@pytest.mark.parametrize("trouble", ["unreachable", "blocked"])
async def test_after_an_ambiguous_attempt_only_the_first_may_repeat_it(worker, channel, first, trouble) -> None:
    channel.says["a"] = [Ambiguous("no_answer")]
    mail = message()
    await worker.deliver(mail)
    if trouble == "unreachable":
        channel.unreachable = {"a"}
    else:
        break_it(first)
    await worker.again(mail)
    assert channel.called == ["a"], "the other one would have been free"
    assert worker.reports[-1].status == "retrying"


async def test_after_an_ambiguous_attempt_the_first_repeats_it_although_another_comes_first_now(
    ledger_of, channel
) -> None:
    before = Worker(ledger_of("w1"), channel, Providers([provider("a"), provider("b", order=2)]))
    after = Worker(ledger_of("w2"), channel, Providers([provider("a", order=2), provider("b")]))
    channel.says["a"] = [Ambiguous("no_answer")]
    mail = message()
    await before.deliver(mail)
    await after.again(mail)
    assert channel.called == ["a", "a"]
    assert ends(after) == [("sent", None, "a")]


async def test_an_ambiguous_delivery_ends_unknown_when_its_provider_was_removed(ledger_of, channel) -> None:
    before = Worker(ledger_of("w1"), channel, Providers([provider("a"), provider("b", order=2)]))
    after = Worker(ledger_of("w2"), channel, Providers([provider("b")]))
    after.channel.providers_for = lambda target: frozenset({"b"})
    channel.says["a"] = channel.says["b"] = [Ambiguous("no_answer")]
    mail = message()
    before.channel.providers_for = lambda target: frozenset({"a"})
    await before.deliver(mail)
    channel.providers_for = lambda target: frozenset({"b"})
    await after.again(mail)
    assert channel.called == ["a"]
    assert [one.status for one in after.reports] == ["unknown"]


@pytest.mark.parametrize("guarantee", ["at_least_once", "at_most_once"])
async def test_what_the_provider_has_reported_as_delivered_is_not_sent_again(worker, channel, first, guarantee) -> None:
    """However it became ambiguous: `at_most_once` is only ambiguous here if its worker died."""
    channel.says["a"] = [Ambiguous("no_answer")]
    mail = message()
    await worker.deliver(mail)
    break_it(first)
    channel.delivered = True
    again = NotificationMessage.model_validate_json(mail).model_copy(update={"delivery_guarantee": guarantee})
    await worker.again(again.model_dump_json().encode())
    assert channel.called == ["a"]
    assert ends(worker)[-1] == ("sent", None, "a")
    assert worker.reports[-1].attempts == 1


async def test_a_new_round_begins_with_any_provider(ledger_of, channel, first) -> None:
    worker = Worker(ledger_of("w1"), channel, Providers([first, provider("b", order=2)]), max_retries=0)
    channel.says["a"] = [Ambiguous("no_answer")]
    mail = message()
    await worker.deliver(mail)
    assert ends(worker)[-1][0] == "unknown"
    break_it(first)
    replayed = NotificationMessage.model_validate_json(mail).model_copy(update={"replay": 1})
    await worker.deliver(replayed.model_dump_json().encode())
    assert ends(worker)[-1] == ("sent", None, "b")


DEVICES = PushRecipient(name="Ada", push_tokens=(PushToken(token="a"), PushToken(token="b")))
ONE = PushRecipient(name="Ada", push_tokens=(PushToken(token="a"),))


async def test_a_provider_that_is_down_holds_up_no_device_of_another(worker, channel, first) -> None:
    for _ in range(2):
        await worker.deliver(message(DEVICES))
    assert sorted(channel.called) == ["a", "a", "b", "b"]
    break_it(first)
    async with asyncio.timeout(10):
        await worker.deliver(message(DEVICES))
        await worker.deliver(message(ONE))  # it goes to the ledger, and leaves its slot to others
    assert sorted(channel.called) == ["a", "a", "b", "b", "b"]
    assert ends(worker)[-2:] == [("sent", None, "b"), ("retrying", "provider_resting", None)]


async def test_a_held_provider_gets_nothing_until_it_is_released() -> None:
    providers = Providers([provider("a"), provider("b", order=2)])
    assert not providers.hold({"a", "somebody else's"})
    assert await taken(providers) == {"b": 1_000}
    assert not providers.hold({"a", "b"})
    for names in (BOTH, {"a"}):
        with pytest.raises(ProviderHeld):
            await providers.take(names)
    assert providers.hold({"b"})
    assert await taken(providers) == {"a": 1_000}


async def test_consuming_pauses_when_every_provider_is_held_and_not_while_a_fresh_one_is_free() -> None:
    used, fresh = provider("a"), provider("b")
    providers = Providers([used, fresh])
    used.take().give_back()
    pause = asyncio.create_task(providers.wait_until_none_works())
    providers.hold({"a"})
    await stays(pause.done, 0.1, holds=lambda done: not done)
    providers.hold(BOTH)
    await asyncio.wait_for(pause, 5)
    goes_on = asyncio.create_task(providers.wait_working())
    await stays(goes_on.done, 0.1, holds=lambda done: not done)
    providers.hold({"a"})
    await asyncio.wait_for(goes_on, 5)


async def test_consuming_goes_on_over_a_released_provider_while_the_other_is_down() -> None:
    held, down = provider("a"), provider("b")
    providers = Providers([held, down])
    for one in (held, down):
        one.take().give_back()
    providers.hold({"a"})
    break_it(down)
    await asyncio.wait_for(providers.wait_until_none_works(), 5)
    goes_on = asyncio.create_task(providers.wait_working())
    await stays(goes_on.done, 0.1, holds=lambda done: not done)
    providers.hold(())
    await asyncio.wait_for(goes_on, 5)


async def test_a_message_in_hand_goes_out_as_soon_as_the_held_provider_is_released(worker, channel) -> None:
    worker.providers.hold(BOTH)
    delivery = asyncio.create_task(worker.deliver(message()))
    await stays(lambda: delivery.done() or channel.called, 0.1, holds=lambda seen: not seen)
    worker.providers.hold({"b"})
    assert await asyncio.wait_for(delivery, 5) == "ack"
    assert channel.called == ["a"]


async def test_a_hold_that_comes_after_the_permit_still_counts(worker, channel) -> None:
    opened = channel.open_session

    async def hold_and_open(name):
        worker.providers.hold({"a"})
        return await opened(name)

    channel.open_session = hold_and_open
    mail = message()
    await worker.deliver(mail)
    assert channel.called == []
    await worker.again(mail)
    assert ends(worker) == [("retrying", "provider_held", None), ("sent", None, "b")]
    assert worker.reports[-1].attempts == 1


async def test_what_only_a_held_provider_may_send_waits_in_the_ledger_and_is_due_at_its_release(
    worker, channel
) -> None:
    (await worker.providers.take({"b"})).give_back()  # another one works
    worker.providers.hold({"a"})
    mails = {priority: message(ONE, priority=priority) for priority in (3, 9, 5)}
    for mail in mails.values():
        await worker.deliver(mail)
    assert ends(worker) == 3 * [("retrying", "provider_held", None)]
    due = partial(worker.ledger.take_due, lease_seconds=60, silence_seconds=15, limit=1)
    assert await due() == []
    worker.providers.hold(())
    assert await worker.ledger.make_due("another reason") == 0
    assert await worker.ledger.make_due(PROVIDER_HELD) == 3
    assert await worker.ledger.make_due(PROVIDER_HELD) == 0
    for priority in (9, 5, 3):
        assert [one.priority for one in await due()] == [priority]
        await worker.deliver(mails[priority])
    assert channel.called == ["a", "a", "a"]


async def test_what_a_held_provider_may_have_taken_goes_to_no_other(worker, channel) -> None:
    channel.says["a"] = [Ambiguous("no_answer")]
    mail = message()
    await worker.deliver(mail)
    worker.providers.hold({"a"})
    await worker.again(mail)
    assert ends(worker)[-1] == ("retrying", "provider_held", None)
    worker.providers.hold(())
    assert await worker.ledger.make_due(PROVIDER_HELD) == 1
    await worker.again(mail)
    assert channel.called == ["a", "a"]
