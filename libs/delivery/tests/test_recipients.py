"""A notification goes to each of its recipients once, whatever the user changes while it is on its way."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from chassis.broker import PublishFailed
from chassis.broker.watermarks import ConsumedWatermarks
from chassis.process.breaker import CircuitBreaker
from contracts.messages import NotificationMessage, TemplateRef
from contracts.recipients import PushRecipient, PushToken
from delivery.admission import Admission
from delivery.attempts import Attempts
from delivery.channel import Target
from delivery.decisions import RetryPolicy
from delivery.engine import Engine
from delivery.metrics import DeliveryMetrics
from delivery.outcomes import Ambiguous, Outcome, Permanent, RetryLater, Sent, Suppressed
from delivery.providers import Provider, Providers
from delivery.template_store import StoredTemplate
from testkit.eventually import eventually, time_passes


@dataclass
class Copy:
    body: bytes
    headers: dict[str, object] = field(default_factory=dict)
    message_id: str = "m"
    redelivered: bool = False
    answer: str = ""

    async def ack(self) -> None:
        self.answer = "ack"

    async def reject(self) -> None:
        self.answer = "reject"


class Devices:
    """A channel with a target a device. What a device's provider says is scripted; what is not, is taken."""

    name = "email"  # the ledger of the fixtures
    suppression_list = None

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.says: dict[str, list[Outcome]] = {}
        self.holds: dict[str, asyncio.Event] = {}
        self.at: dict[str, asyncio.Event] = {}
        self.ages: dict[str, float] = {}

    def targets(self, recipient):
        return [Target(one.token, recipient.name, one.token) for one in recipient.push_tokens]

    def render(self, template, message):
        return "content"

    def providers_for(self, target):
        return frozenset({"provider"})

    async def open_session(self, provider):
        return self

    def close(self):
        pass

    async def send(self, content, target, context) -> Outcome:
        self.sent.append(target.address)
        self.at.setdefault(target.address, asyncio.Event()).set()
        if target.address in self.holds:
            await self.holds[target.address].wait()
        said = self.says.get(target.address)
        return said.pop(0) if said else Sent("p")

    async def was_taken(self, message):
        return False

    async def act_on_outcome(self, message, target, outcome, *, age_seconds) -> None:
        self.ages[target.address] = age_seconds

    async def until_at(self, device: str) -> None:
        await asyncio.wait_for(self.at.setdefault(device, asyncio.Event()).wait(), 10)


class Owner:
    """A recipient resolver for the current devices."""

    def __init__(self) -> None:
        self.devices: str | Suppressed = "a"

    async def resolve(self, message):
        return self.devices if isinstance(self.devices, Suppressed) else _recipient(self.devices)


class RecordingReporter:
    def __init__(self) -> None:
        self.reports: list[tuple[str, str | None]] = []
        self.devices: list[dict[str, str] | None] = []
        self.fails = 0

    async def report(self, message, report) -> None:
        if self.fails:
            self.fails -= 1
            raise PublishFailed("the connection is gone")
        self.reports.append((report.status, report.code))
        self.devices.append(None if report.devices is None else {one.device: one.status for one in report.devices})


def _recipient(devices: str) -> PushRecipient:
    return PushRecipient(name="Ada", push_tokens=tuple(PushToken(token=device) for device in devices))


def _message(devices: str = "a", **changes: object) -> bytes:
    values = {
        "notification_id": uuid4(), "request_id": "r", "correlation_id": "c", "notification_type": "email",
        "user_id": uuid4(), "template": TemplateRef(code="t", version=1, language="en"), "variables": {},
        "recipient": _recipient(devices), "priority": 5, "created_at": datetime.now(UTC), **changes,
    }  # fmt: skip
    return NotificationMessage(**values).model_dump_json().encode()


@pytest.fixture
def channel() -> Devices:
    return Devices()


@pytest.fixture
def owner() -> Owner:
    return Owner()


@pytest.fixture
def reporter() -> RecordingReporter:
    return RecordingReporter()


@pytest.fixture
def worker(ledger_of, channel, owner, reporter) -> Callable[..., Engine]:
    """Another worker process, by name. They share the provider, the user and the ledger."""

    def make(name: str, *, clock: Callable[[], float] = lambda: 0.0) -> Engine:
        metrics = DeliveryMetrics(CollectorRegistry(), channel.name, ["provider"])
        admission = Admission(Providers([Provider(CircuitBreaker("provider"))]), concurrency=10, beside_urgent=1)
        attempts = Attempts(
            channel, templates=AnyTemplate(), admission=admission, metrics=metrics, lease_seconds=5, clock=clock
        )
        return Engine(
            channel, ledger=ledger_of(name), recipients=owner, attempts=attempts, reporter=reporter,
            policy=RetryPolicy(base_seconds=0.001, longest_seconds=0.001), metrics=metrics, watermarks=ConsumedWatermarks(),
        )  # fmt: skip

    return make


class AnyTemplate:
    async def get(self, ref):
        return StoredTemplate(object(), None)


@pytest.fixture
def due(ledger_of):
    """Takes up what waits for its next attempt, as a sweep does before it publishes."""

    async def take() -> None:
        await eventually(
            lambda: ledger_of("sweeper").take_due(lease_seconds=60, silence_seconds=15, limit=10),
            10,
            until=lambda taken: len(taken) == 1,
            every=0.01,
        )

    return take


@pytest.fixture
def rows(database):
    async def read() -> dict[str, tuple[str, str | None]]:
        async with database.begin() as connection:
            found = await connection.execute(text("SELECT recipient, state, code FROM email_deliveries"))
            return {row.recipient: (row.state, row.code) for row in found}

    return read


async def test_an_address_that_changes_during_the_call_gets_no_second_copy(worker, channel, owner, reporter) -> None:
    body = _message("a")
    channel.holds["a"] = asyncio.Event()
    first = asyncio.create_task(worker("w1").handle(Copy(body)))
    await channel.until_at("a")
    owner.devices = "b"
    await worker("w2").handle(Copy(body, redelivered=True))
    channel.holds["a"].set()
    await first
    await worker("w2").handle(Copy(body, redelivered=True))
    assert channel.sent == ["a"]
    assert reporter.reports == [("sent", None), ("sent", None)]


async def test_a_device_that_replaced_another_is_the_same_delivery(worker, channel, owner, reporter) -> None:
    body = _message("ab")
    owner.devices = "ab"
    await worker("w1").handle(Copy(body))
    owner.devices = "cb"
    await worker("w2").handle(Copy(body))
    assert sorted(channel.sent) == ["a", "b"]
    assert reporter.reports[-1] == ("sent", None)


async def test_a_device_added_since_it_was_begun_gets_nothing_and_one_added_before_does(worker, channel, owner) -> None:
    body = _message("a")
    owner.devices = "ab"
    await worker("w1").handle(Copy(body))
    owner.devices = "abc"
    await worker("w2").handle(Copy(body))
    owner.devices = "ad"
    await worker("w2").handle(Copy(body))
    assert sorted(channel.sent) == ["a", "b"]


async def test_after_a_definite_refusal_it_goes_to_the_new_address(worker, channel, owner, due, rows) -> None:
    body = _message("a")
    channel.says["a"] = [RetryLater("busy")]
    await worker("w1").handle(Copy(body))
    owner.devices = "b"
    await due()
    await worker("w2").handle(Copy(body))
    assert channel.sent == ["a", "b"]
    assert await rows() == {"a": ("sent", None)}


@pytest.mark.parametrize("changed_before", [False, True], ids=["the message's", "one of its own"])
async def test_after_an_ambiguous_attempt_it_stays_with_its_first_recipient(
    worker, channel, owner, due, changed_before: bool
) -> None:
    body = _message("a")
    owner.devices = first = "x" if changed_before else "a"
    channel.says[first] = [Ambiguous("dropped")]
    await worker("w1").handle(Copy(body))
    owner.devices = "b"
    await due()
    await worker("w2").handle(Copy(body))
    assert channel.sent == [first, first]


def _expired(body: bytes) -> bytes:
    """The same message, read after its `expires_at`."""
    message = NotificationMessage.model_validate_json(body)
    past = datetime.now(UTC) - timedelta(seconds=1)
    return message.model_copy(update={"expires_at": past}).model_dump_json().encode()


LATER = {"opted_out": (Suppressed("opted_out"), bytes), "expired": ("a", _expired)}


@pytest.mark.parametrize("later", LATER)
async def test_a_delivery_with_the_provider_ends_as_the_provider_answered(
    worker, channel, owner, reporter, rows, later: str
) -> None:
    body = _message("a")
    channel.holds["a"] = asyncio.Event()
    first = asyncio.create_task(worker("w1").handle(Copy(body)))
    await channel.until_at("a")
    owner.devices, as_read = LATER[later]
    await worker("w2").handle(Copy(as_read(body)))
    assert reporter.reports == []
    channel.holds["a"].set()
    await first
    await worker("w2").handle(Copy(as_read(body)))
    assert await rows() == {"a": ("sent", None)}
    assert set(reporter.reports) == {("sent", None)}


@pytest.mark.parametrize("later", LATER)
async def test_an_ambiguous_delivery_is_not_recorded_as_unsent(  # noqa: PLR0917 - fixtures
    worker, channel, owner, reporter, due, rows, later: str
) -> None:
    body = _message("a")
    channel.says["a"] = [Ambiguous("dropped")]
    await worker("w1").handle(Copy(body))
    owner.devices, as_read = LATER[later]
    await due()
    await worker("w2").handle(Copy(as_read(body)))
    assert (channel.sent, await rows(), reporter.reports[-1]) == (["a"], {"a": ("unknown", later)}, ("unknown", later))


async def test_a_refused_delivery_is_suppressed_when_the_user_opts_out(
    worker, channel, owner, reporter, due, rows
) -> None:
    body = _message("a")
    channel.says["a"] = [RetryLater("busy")]
    await worker("w1").handle(Copy(body))
    owner.devices = Suppressed("opted_out")
    await due()
    await worker("w2").handle(Copy(body))
    assert (await rows(), reporter.reports[-1]) == ({"a": ("suppressed", "opted_out")}, ("suppressed", "opted_out"))


async def test_a_device_that_is_gone_ends_without_a_copy(worker, channel, owner, reporter, rows) -> None:
    owner.devices = "b"
    await worker("w1").handle(Copy(_message("ab")))
    assert (channel.sent, await rows()) == (["b"], {"a": ("suppressed", "recipient_gone"), "b": ("sent", None)})
    assert reporter.reports == [("sent", None)]


async def test_the_worker_that_records_the_last_end_of_several_devices_reports_it(
    worker, channel, owner, reporter, due, rows
) -> None:
    body = _message("ab")
    owner.devices = "ab"
    channel.says = {"a": [RetryLater("busy"), Permanent("dead")], "b": [Permanent("dead")]}
    channel.holds["b"] = asyncio.Event()
    first, second = Copy(body), Copy(body)
    held = asyncio.create_task(worker("w1").handle(first))
    await channel.until_at("b")
    await due()
    await worker("w2").handle(second)
    assert ("failed", "dead") not in reporter.reports, "one device may still get it"
    channel.holds["b"].set()
    await held
    assert await rows() == {"a": ("failed", "dead"), "b": ("failed", "dead")}
    assert reporter.reports[-1] == ("failed", "dead")
    assert sorted([first.answer, second.answer]) == ["ack", "reject"]


async def test_a_report_is_not_lost_with_a_connection(worker, channel, reporter) -> None:
    reporter.fails = 2
    copy = Copy(_message("a"))
    await asyncio.wait_for(worker("w1").handle(copy), 20)
    assert (copy.answer, reporter.reports) == ("ack", [("sent", None)])


async def test_a_suspended_worker_does_not_send_deliveries_that_it_had_not_begun(
    worker, channel, rows, reporter
) -> None:
    times = iter([0.0, 6.0])
    await worker("w1", clock=lambda: next(times)).handle(Copy(_message("a")))
    assert (channel.sent, await rows()) == ([], {"a": ("retry", "lease_ran_out")})
    assert reporter.reports == [("retrying", "lease_ran_out")]


async def test_the_result_of_each_device_is_reported_with_the_end_and_after_it(
    worker, channel, owner, reporter, due
) -> None:
    body = _message("abc")
    owner.devices = "abc"
    channel.says |= {"b": [Permanent("invalid_token")], "c": [RetryLater("busy")]}
    await worker("w1").handle(Copy(body))
    await due()
    await worker("w2").handle(Copy(body))
    assert reporter.reports == [("sent", None), ("sent", None)]
    assert reporter.devices == [{"a": "sent", "b": "failed"}, {"a": "sent", "b": "failed", "c": "sent"}]


async def test_until_all_devices_have_ended_a_retry_is_reported_without_them(worker, channel, owner, reporter) -> None:
    owner.devices = "ab"
    channel.says |= {"a": [Permanent("invalid_token")], "b": [RetryLater("busy")]}
    await worker("w1").handle(Copy(_message("ab")))
    assert (reporter.reports, reporter.devices) == ([("retrying", "busy")], [None])


async def test_a_single_device_is_reported_without_a_list(worker, reporter) -> None:
    await worker("w1").handle(Copy(_message("a")))
    assert (reporter.reports, reporter.devices) == ([("sent", None)], [None])


async def test_the_channel_hears_how_long_ago_the_provider_was_called(worker, channel) -> None:
    channel.holds["a"] = asyncio.Event()
    sending = asyncio.create_task(worker("w1").handle(Copy(_message("a"))))
    await channel.until_at("a")
    await time_passes(0.1)
    channel.holds["a"].set()
    await sending
    assert 0.1 <= channel.ages["a"] < 10
