"""The engine's order of steps, on a real ledger, with a channel that a test can hold up."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from structlog.testing import capture_logs

from chassis.broker.watermarks import ConsumedWatermarks
from chassis.errors import DependencyUnavailable
from chassis.http.envelope import answer
from chassis.process.breaker import BreakerPolicy, BreakerState, CircuitBreaker
from contracts.emails import EmailOptions
from contracts.holds import HoldRule, HoldRules
from contracts.messages import NotificationMessage, TemplateRef
from contracts.recipients import EmailRecipient
from delivery.admission import Admission
from delivery.attempts import Attempts
from delivery.channel import AttachmentGone, Completed, NotReady, Target
from delivery.decisions import DeliveryReport, RetryPolicy
from delivery.engine import Engine
from delivery.ledger import Ledger, LedgerRepository
from delivery.metrics import DeliveryMetrics
from delivery.outcomes import AccountRefused, Ambiguous, Outcome, Permanent, ProviderDown, RetryLater, Sent
from delivery.providers import Provider, Providers
from delivery.template_store import StoredTemplate
from delivery.worker_holds import WorkerHolds
from testkit.eventually import eventually, stays


@dataclass
class Copy:
    """A message from the broker, with the interface that the engine uses."""

    body: bytes
    message_id: str = "m"
    correlation_id: str = ""
    priority: int = 5
    headers: Mapping[str, object] = field(default_factory=dict)
    redelivered: bool = False
    routing_key: str = "email"
    answer: str = ""

    async def ack(self) -> None:
        self.answer = "ack"

    async def reject(self) -> None:
        self.answer = "reject"

    async def requeue(self) -> None:
        self.answer = "requeue"


class HeldChannel:
    """Sends when `may_send` is set."""

    name = "email"
    suppression_list = None

    def __init__(self) -> None:
        self.may_send, self.sending = asyncio.Event(), asyncio.Event()
        self.sends = self.open = 0
        self.recorded: list[Outcome] = []
        self.outcome: Outcome = Sent("p-1")
        self.unreachable: ProviderDown | None = None
        self.held, self.incomplete = 0, None
        self.contents: list[str] = []

    def targets(self, recipient):
        return (Target("r1", recipient.name, recipient.email),)

    def render(self, template, message):
        return "content"

    async def complete(self, content, message):
        if self.incomplete is not None:
            raise self.incomplete
        self.held += 1
        return Completed(f"{content} with more", self._release)

    def _release(self):
        self.held -= 1

    def providers_for(self, target):
        return frozenset({"provider"})

    async def open_session(self, provider):
        if self.unreachable is not None:
            raise NotReady(self.unreachable)
        self.open += 1
        return self

    def close(self):
        self.open -= 1

    async def send(self, content, target, context) -> Outcome:
        self.sends += 1
        self.contents.append(content)
        self.sending.set()
        await self.may_send.wait()
        return self.outcome

    async def was_taken(self, message):
        return False

    async def act_on_outcome(self, message, target, outcome, *, age_seconds) -> None:
        self.recorded.append(outcome)


class RecordingReporter:
    def __init__(self) -> None:
        self.reports: list[DeliveryReport] = []
        self.unreadable: list[tuple[UUID, int]] = []

    async def report(self, message, report) -> None:
        self.reports.append(report)

    async def report_unreadable(self, notification_id, channel, *, replay) -> None:
        self.unreadable.append((notification_id, replay))


class Gateway:
    """Answers which notifications are held. `rules` None: it is down."""

    def __init__(self) -> None:
        self.rules: tuple[HoldRule, ...] | None = ()
        self.known: list[str] = []

    async def get(self, path: str, params: Mapping[str, str]) -> tuple[int, bytes]:
        assert path == "/internal/holds"
        self.known.append(params["known"])
        if self.rules is None:
            raise DependencyUnavailable("it is down")
        return 200, bytes(answer(HoldRules(holds=self.rules)).body)


class AsWritten:
    """A recipient resolver without newer data than the message."""

    async def resolve(self, message):
        return message.recipient


class AnyTemplate:
    async def get(self, ref):
        return StoredTemplate(object(), None)


@pytest.fixture
def channel() -> HeldChannel:
    return HeldChannel()


@pytest.fixture
def reporter() -> RecordingReporter:
    return RecordingReporter()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def breaker() -> CircuitBreaker:
    return CircuitBreaker("provider", policy=BreakerPolicy(minimum_calls=2))


@pytest.fixture
def admission(breaker) -> Admission:
    return Admission(Providers([Provider(breaker)]), concurrency=10, beside_urgent=1)


@pytest.fixture
async def ledger(database) -> Ledger:
    """The ledger of the worker w1, with a suppression list that is empty."""
    async with database.begin() as connection:
        await connection.execute(text("CREATE TABLE dead_addresses (fingerprint text)"))
    return Ledger(database, LedgerRepository("email", "w1", suppression_list="dead_addresses"))


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
def holds(gateway: Gateway) -> WorkerHolds:
    return WorkerHolds(gateway)


@pytest.fixture
def hold(gateway: Gateway, holds: WorkerHolds):
    """Sets the holds that the worker knows from now on; None: the gateway is down."""

    async def change(*rules: HoldRule | None) -> None:
        gateway.rules = None if None in rules else rules
        await holds.refresh()

    return change


@pytest.fixture
def recipients() -> AsWritten:
    return AsWritten()


@pytest.fixture
def metrics(registry: CollectorRegistry, channel: HeldChannel) -> DeliveryMetrics:
    return DeliveryMetrics(registry, channel.name, ["provider"])


@pytest.fixture
def attempts(channel: HeldChannel, admission: Admission, metrics: DeliveryMetrics, holds: WorkerHolds) -> Attempts:
    return Attempts(
        channel, templates=AnyTemplate(), admission=admission, metrics=metrics, lease_seconds=60, holds=holds
    )


@pytest.fixture
def engine(
    channel: HeldChannel,
    ledger,
    recipients,
    attempts: Attempts,
    reporter: RecordingReporter,
    metrics: DeliveryMetrics,
) -> Engine:
    return Engine(
        channel,
        ledger=ledger,
        recipients=recipients,
        attempts=attempts,
        reporter=reporter,
        policy=RetryPolicy(),
        metrics=metrics,
        watermarks=ConsumedWatermarks(),
        holds=attempts.holds,
    )


def _message(**changes: object) -> bytes:
    values = {
        "notification_id": uuid4(), "request_id": "r", "correlation_id": "c", "notification_type": "email",
        "user_id": uuid4(), "template": TemplateRef(code="t", version=1, language="en"), "variables": {},
        "recipient": EmailRecipient(name="Ada", email="ada@example.com"), "priority": 5,
        "created_at": datetime.now(UTC), **changes,
    }  # fmt: skip
    return NotificationMessage(**values).model_dump_json().encode()


async def test_a_second_copy_in_the_same_worker_does_not_change_the_result_of_the_first(
    engine, channel, reporter
) -> None:
    body = _message()
    first, second = Copy(body), Copy(body)
    tasks = [asyncio.create_task(engine.handle(copy)) for copy in (first, second)]
    await asyncio.wait_for(channel.sending.wait(), 10)
    await asyncio.wait_for(tasks[1], 10)
    channel.may_send.set()
    await asyncio.wait_for(tasks[0], 10)
    assert channel.sends == 1
    assert (first.answer, second.answer) == ("ack", "ack")
    assert [report.status for report in reporter.reports] == ["sent"]


async def test_after_an_urgent_message_other_messages_are_claimed_a_few_at_a_time(
    engine, channel, monkeypatch, ledger
) -> None:
    channel.may_send.set()
    await engine.handle(Copy(_message(priority=10)))
    claim, begun, goes_on = ledger.claim, [], asyncio.Event()

    async def held(asked):
        begun.append(asked)
        await goes_on.wait()
        return await claim(asked)

    monkeypatch.setattr(ledger, "claim", held)
    copies = [Copy(_message(priority=1)) for _ in range(3)]
    tasks = [asyncio.create_task(engine.handle(copy)) for copy in copies]
    await eventually(lambda: begun, 10)
    await stays(lambda: len(begun), 0.05, holds=lambda number: number == 1)
    goes_on.set()
    await asyncio.gather(*tasks)
    assert [copy.answer for copy in copies] == ["ack"] * 3


async def test_after_an_urgent_message_the_next_is_claimed_while_the_provider_has_the_previous_one(
    engine, channel
) -> None:
    channel.may_send.set()
    await engine.handle(Copy(_message(priority=10)))
    channel.may_send.clear()
    tasks = [asyncio.create_task(engine.handle(Copy(_message(priority=1)))) for _ in range(3)]
    await eventually(lambda: channel.sends >= 4, 10)
    channel.may_send.set()
    await asyncio.gather(*tasks)


async def test_a_message_that_is_cancelled_while_it_waits_for_a_slot_holds_nothing(engine, channel, admission) -> None:
    channel.may_send.set()
    await engine.handle(Copy(_message(priority=10)))  # so the others are prepared one at a time
    async with AsyncExitStack() as held:
        for _ in range(10):
            admitted = await held.enter_async_context(admission.for_priority(9))
            await admitted.slot([frozenset({"provider"})])
            admitted.end_preparation()
        task = asyncio.create_task(engine.handle(Copy(_message())))
        await eventually(lambda: admission.sending.waiting, 10)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await asyncio.wait_for(engine.handle(Copy(_message())), 10)
    assert channel.sends == 2


async def test_it_is_acknowledged_only_after_it_was_recorded_and_reported(engine, channel, reporter, ledger_of) -> None:
    body = _message()
    copy = Copy(body)
    task = asyncio.create_task(engine.handle(copy))
    await asyncio.wait_for(channel.sending.wait(), 10)
    assert (copy.answer, reporter.reports) == ("", [])
    channel.may_send.set()
    await asyncio.wait_for(task, 10)
    message = NotificationMessage.model_validate_json(body)
    known = await ledger_of("w2").states([message.notification_id])
    assert [one.state for one in known[message.notification_id].values()] == ["sent"]
    assert copy.answer == "ack"


async def test_a_redelivered_message_that_was_sent_is_reported_again_and_not_sent_again(
    engine, channel, reporter
) -> None:
    body = _message()
    channel.may_send.set()
    await engine.handle(Copy(body))
    again = Copy(body, redelivered=True)
    await engine.handle(again)
    assert (channel.sends, again.answer) == (1, "ack")
    assert [report.status for report in reporter.reports] == ["sent", "sent"]


async def test_a_delivery_that_failed_for_good_is_rejected_into_the_dead_letters(engine, channel, reporter) -> None:
    channel.may_send.set()
    channel.outcome = Permanent("bounced", "550 no such user")
    copy = Copy(_message())
    await engine.handle(copy)
    assert copy.answer == "reject"
    assert [(report.status, report.code) for report in reporter.reports] == [("failed", "bounced")]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"version": 2}', _message(notification_type="push")])
async def test_an_unreadable_message_goes_to_the_dead_letters_unchanged(engine, channel, reporter, body: bytes) -> None:
    copy = Copy(body)
    await engine.handle(copy)
    assert (copy.answer, channel.sends, reporter.reports) == ("reject", 0, [])


async def test_a_message_for_another_channel_is_named_in_the_log(engine) -> None:
    with capture_logs() as events:
        await engine.handle(Copy(_message(notification_type="push")))
    assert [(one["event"], one["notification_type"]) for one in events] == [("delivery.wrong_channel", "push")]


@pytest.mark.parametrize(
    ("body", "replay"),
    [
        (b"{", 0),
        (b"[]", 0),
        (b'{"version": 9, "replay": 2}', 2),
        (b'{"replay": "x"}', 0),
        (b'{"replay": 4294967296}', 0),
    ],
)
async def test_an_unreadable_notification_fails_and_is_not_lost(engine, reporter, body, replay) -> None:
    name = uuid4()
    copy = Copy(body, message_id=str(name))
    await engine.handle(copy)
    assert (copy.answer, reporter.unreadable) == ("reject", [(name, replay)])


async def test_an_unreadable_copy_of_a_known_notification_does_not_make_it_fail(engine, channel, reporter) -> None:
    channel.may_send.set()
    body = _message()
    name = str(NotificationMessage.model_validate_json(body).notification_id)
    await engine.handle(Copy(body))
    for copy, failed in (
        (Copy(b"{", message_id=name), []),
        (Copy(b'{"replay": 1}', message_id=name), [(UUID(name), 1)]),
    ):
        await engine.handle(copy)
        assert (copy.answer, reporter.unreadable) == ("reject", failed)


async def test_a_result_that_the_ledger_cannot_store_is_written_without_the_providers_text(
    engine, channel, reporter
) -> None:
    channel.may_send.set()
    channel.outcome = Permanent("rejected", "a\x00b")
    copy = Copy(_message())
    await asyncio.wait_for(engine.handle(copy), 10)
    assert (copy.answer, reporter.reports[-1].status) == ("reject", "failed")


async def test_a_message_without_a_notification_id_is_not_reported(engine, reporter) -> None:
    copy = Copy(b"hello", message_id="somebody's")
    await engine.handle(copy)
    assert (copy.answer, reporter.unreadable) == ("reject", [])


async def test_a_defect_in_a_sender_is_ambiguous_and_spends_an_attempt(engine, channel, reporter) -> None:
    async def broken(*_: object) -> Outcome:
        raise ZeroDivisionError

    channel.send = broken
    copy = Copy(_message())
    await engine.handle(copy)
    assert copy.answer == "ack"
    assert [(report.status, report.code, report.attempts) for report in reporter.reports] == [
        ("retrying", "sender_failed", 1)
    ]


async def test_the_providers_time_is_measured(engine, channel, registry) -> None:
    task = asyncio.create_task(engine.handle(Copy(_message())))
    await asyncio.wait_for(channel.sending.wait(), 10)
    began = asyncio.get_running_loop().time()
    assert registry.get_sample_value("provider_request_seconds_count", {"type": "email", "provider": "provider"}) == 0
    await eventually(lambda: asyncio.get_running_loop().time() - began >= 0.05, 10)
    channel.may_send.set()
    await asyncio.wait_for(task, 10)
    assert registry.get_sample_value("provider_request_seconds_count", {"type": "email", "provider": "provider"}) == 1
    assert (
        0.05 <= registry.get_sample_value("provider_request_seconds_sum", {"type": "email", "provider": "provider"}) < 5
    )


async def test_the_time_and_ambiguity_of_a_failing_sender_are_counted(engine, channel, registry) -> None:
    async def broken(*_: object) -> Outcome:
        raise ZeroDivisionError

    channel.send = broken
    await engine.handle(Copy(_message()))
    assert registry.get_sample_value("provider_request_seconds_count", {"type": "email", "provider": "provider"}) == 1
    assert registry.get_sample_value("delivery_ambiguous_total", {"type": "email"}) == 1


@pytest.mark.parametrize(
    ("address", "report"),
    [
        ("ada@example.com", ("sent", None)),
        ("ada+simulate-bounce@example.com", ("failed", "simulated_bounce")),
        ("Simulate-Temporary@example.com", ("retrying", "simulated_temporary")),
        ("simulate-no-answer@example.com", ("retrying", "simulated_no_answer")),
    ],
)
async def test_a_notification_of_a_test_key_calls_no_provider(
    engine, channel, reporter, *, registry, address, report, breaker
) -> None:
    channel.unreachable = ProviderDown("smtp_unreachable")
    for _ in range(2):
        await engine.handle(Copy(_message(test=True, recipient=EmailRecipient(name="Ada", email=address))))
    assert [(one.status, one.code) for one in reporter.reports] == [report] * 2
    assert (channel.sends, channel.recorded) == (0, [])
    assert breaker.state is BreakerState.CLOSED
    value = registry.get_sample_value
    assert value("provider_request_seconds_count", {"type": "email", "provider": "provider"}) == 0
    assert value("notifications_total", {"type": "email", "status": "sent"}) == 0
    counted = {"failed": "failed", "retrying": "retry", "sent": "sent"}[report[0]]
    assert value("test_notifications_total", {"type": "email", "status": counted}) == 2


async def test_a_notification_of_a_test_key_may_end_ambiguous_with_at_most_once(engine, reporter) -> None:
    ambiguous = EmailRecipient(name="Ada", email="simulate-no-answer@example.com")
    await engine.handle(Copy(_message(test=True, recipient=ambiguous, delivery_guarantee="at_most_once")))
    assert [(one.status, one.code) for one in reporter.reports] == [("unknown", "simulated_no_answer")]


AFTER_A_DEATH = {"at_least_once": ("sent", 1), "at_most_once": ("unknown", 0)}


@pytest.fixture
def left_sending(ledger_of, claim_on, database):
    """Leaves a message in the ledger as a worker does that was killed while it was sending."""

    async def leave(body: bytes) -> None:
        message, dead = NotificationMessage.model_validate_json(body), ledger_of("dead")
        await dead.take(claim_on(message.notification_id, message=body.decode()))
        await dead.close()  # so it has no heartbeat any more
        await ledger_of("w1").beat(silence_seconds=15)
        async with database.begin() as connection:
            await connection.execute(text("UPDATE email_deliveries SET updated_at = now() - interval '1 minute'"))
            await connection.execute(text("UPDATE email_workers SET steady_since = now() - interval '1 minute'"))
        assert len(await ledger_of("w1").take_due(lease_seconds=60, silence_seconds=15, limit=10)) == 1

    return leave


@pytest.mark.parametrize("guarantee", AFTER_A_DEATH)
async def test_a_delivery_that_a_dead_worker_may_have_sent_is_sent_again_only_at_least_once(
    engine, channel, reporter, left_sending, guarantee: str
) -> None:
    channel.may_send.set()
    body = _message(delivery_guarantee=guarantee)
    await left_sending(body)
    copy = Copy(body)
    await engine.handle(copy)
    assert (reporter.reports[-1].status, channel.sends) == AFTER_A_DEATH[guarantee]
    assert copy.answer == "ack"


async def test_an_ambiguous_delivery_is_not_sent_while_its_first_recipient_cannot_be_decrypted(
    engine, channel, reporter, left_sending, database
) -> None:
    channel.may_send.set()
    body = _message()
    await left_sending(body)
    async with database.begin() as connection:
        await connection.execute(text("UPDATE email_deliveries SET contact = 'enc1:gone:AAAA'"))
    copy = Copy(body)
    await engine.handle(copy)
    report = reporter.reports[-1]
    assert (report.status, report.code, channel.sends, copy.answer) == ("retrying", "contact_unreadable", 0, "ack")


async def test_a_missing_answer_is_not_followed_by_another_send_with_at_most_once(engine, channel, reporter) -> None:
    channel.may_send.set()
    channel.outcome = Ambiguous("no_answer")
    body = _message(delivery_guarantee="at_most_once")
    for copy in (Copy(body), Copy(body, redelivered=True)):
        await engine.handle(copy)
        assert copy.answer == "ack"
    assert (channel.sends, reporter.reports[-1].status, reporter.reports[-1].code) == (1, "unknown", "no_answer")


@pytest.mark.parametrize(
    ("outcome", "counted"),
    [(AccountRefused("smtp_login"), 1), (ProviderDown("unreachable"), 0), (RetryLater("greylisted"), 0)],
)
async def test_a_refusal_of_our_account_is_counted_and_does_not_fail_the_notification(
    engine, channel, reporter, registry, outcome, counted: int
) -> None:
    channel.may_send.set()
    channel.outcome = outcome
    copy = Copy(_message())
    await engine.handle(copy)
    assert (copy.answer, [report.status for report in reporter.reports]) == ("ack", ["retrying"])
    assert (
        registry.get_sample_value("provider_account_refused_total", {"type": "email", "provider": "provider"})
        == counted
    )


async def test_attempts_are_counted_by_kind_of_failure(engine, channel, reporter, database) -> None:
    """A mail that was refused for now several times, and then was ambiguous once, has further attempts."""
    channel.may_send.set()
    body = _message()
    outcomes: list[Outcome] = [RetryLater("greylisted")] * 8 + [Ambiguous("dropped"), RetryLater("greylisted")]
    first_refusals = set()
    for index, channel.outcome in enumerate(outcomes):
        await engine.handle(Copy(body))
        async with database.begin() as connection:
            rows = await connection.execute(
                text("SELECT state, attempts, faults, refused_since, created_at FROM email_deliveries")
            )
            row = rows.one()
            assert (row.state, row.attempts, row.faults) == ("retry", index + 1, int(index >= 8))
            first_refusals.add(row.refused_since)
            await connection.execute(text("UPDATE email_deliveries SET state = 'requeued'"))
    assert len(first_refusals - {None}) == len(first_refusals) == 1
    assert {report.status for report in reporter.reports} == {"retrying"}


async def test_a_refusal_for_now_ends_when_the_window_is_over(engine, channel, reporter, database) -> None:
    channel.may_send.set()
    channel.outcome = RetryLater("greylisted", "450 later")
    body = _message()
    await engine.handle(Copy(body))
    async with database.begin() as connection:
        await connection.execute(
            text("UPDATE email_deliveries SET state = 'requeued', refused_since = now() - interval '6 hours'")
        )
    copy = Copy(body)
    await engine.handle(copy)
    assert (copy.answer, reporter.reports[-1].status, reporter.reports[-1].code) == ("reject", "failed", "exhausted")
    assert reporter.reports[-1].detail == "greylisted: 450 later"


async def test_a_message_that_waits_for_a_slot_is_not_claimed(engine, channel, reporter, ledger_of, admission) -> None:
    """The broker still owns it: if this worker dies, another one gets it at once."""
    body = _message()
    name = NotificationMessage.model_validate_json(body).notification_id
    async with AsyncExitStack() as held:
        for _ in range(10):
            admitted = await held.enter_async_context(admission.for_priority(5))
            await admitted.slot([frozenset({"provider"})])
        task = asyncio.create_task(engine.handle(Copy(body)))
        await eventually(lambda: admission.sending.waiting, 10)
        assert await ledger_of("w2").states([name]) == {}
        assert channel.open == 0
    channel.may_send.set()
    await asyncio.wait_for(task, 10)
    assert (channel.sends, [report.status for report in reporter.reports]) == (1, ["sent"])


@pytest.mark.parametrize(("died", "sends", "end"), [(5, 1, ("sent", None)), (6, 0, ("unknown", "exhausted"))])
async def test_a_message_that_kills_its_workers_ends(
    engine, channel, reporter, ledger_of, *, claim_on, database, died, sends, end
) -> None:
    """After the first attempt and five retries, another one would only kill another worker."""
    channel.may_send.set()
    body = _message()
    await ledger_of("dead").take(claim_on(NotificationMessage.model_validate_json(body).notification_id, "r1"))
    async with database.begin() as connection:
        died_with_it = (
            f"UPDATE email_deliveries SET state = 'requeued', in_doubt = true, attempts = {died}, faults = {died}"
        )
        await connection.execute(text(died_with_it))
    await engine.handle(Copy(body))
    assert (channel.sends, [(one.status, one.code) for one in reporter.reports]) == (sends, [end])


async def test_a_message_that_expires_while_it_waits_for_a_slot_is_not_sent(
    engine, channel, reporter, admission
) -> None:
    expires_at = datetime.now(UTC) + timedelta(seconds=0.5)
    async with AsyncExitStack() as held:
        for _ in range(10):
            admitted = await held.enter_async_context(admission.for_priority(5))
            await admitted.slot([frozenset({"provider"})])
        task = asyncio.create_task(engine.handle(Copy(_message(expires_at=expires_at))))
        await eventually(lambda: datetime.now(UTC) > expires_at + timedelta(seconds=0.5))
    await asyncio.wait_for(task, 10)
    assert (channel.sends, channel.open, [report.status for report in reporter.reports]) == (0, 0, ["expired"])


async def test_without_a_connection_the_delivery_is_deferred_and_counts_for_the_breaker(
    engine, channel, reporter, breaker
) -> None:
    channel.unreachable = ProviderDown("smtp_unreachable")
    for _ in range(2):
        copy = Copy(_message())
        await engine.handle(copy)
        assert copy.answer == "ack"
    assert [(one.status, one.code, one.attempts) for one in reporter.reports] == [
        ("retrying", "smtp_unreachable", 0)
    ] * 2
    assert breaker.state is BreakerState.OPEN


async def test_an_open_connection_is_returned_when_another_worker_owns_the_delivery(
    engine, channel, reporter, ledger_of, claim_on, admission
) -> None:
    body = _message()
    name = NotificationMessage.model_validate_json(body).notification_id
    await ledger_of("w2").take(claim_on(name, "r1"))
    copy = Copy(body)
    await engine.handle(copy)
    assert (copy.answer, channel.sends, channel.open, reporter.reports) == ("ack", 0, 0, [])
    async with admission.for_priority(5) as admitted, asyncio.timeout(5):
        await admitted.slot([frozenset({"provider"})])


async def test_a_claim_that_lasted_as_long_as_a_lease_is_not_sent(engine, channel, reporter, attempts) -> None:
    attempts.lease_seconds = -1
    await engine.handle(Copy(_message()))
    assert (channel.sends, [(one.status, one.code) for one in reporter.reports]) == (0, [("retrying", "lease_ran_out")])


async def test_a_slot_is_free_again_before_the_result_is_written(engine, channel, monkeypatch, ledger) -> None:
    channel.may_send.set()
    record, goes_on = ledger.record, asyncio.Event()

    async def held(row):
        await goes_on.wait()
        return await record(row)

    monkeypatch.setattr(ledger, "record", held)
    tasks = [asyncio.create_task(engine.handle(Copy(_message()))) for _ in range(12)]  # of ten slots
    await eventually(lambda: channel.sends >= 12, 10)
    assert channel.open == 0
    goes_on.set()
    await asyncio.gather(*tasks)


async def test_a_delivery_in_flight_stays_owned_by_a_stopping_worker_until_it_counts_as_dead(
    engine, channel, ledger_of
) -> None:
    body = _message()
    name = NotificationMessage.model_validate_json(body).notification_id
    task = asyncio.create_task(engine.handle(Copy(body)))
    await asyncio.wait_for(channel.sending.wait(), 10)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert engine.is_delivering(name), "so it is not requeued as if it had not been sent"
    [owned] = await ledger_of("w1").owned(silence_seconds=0)
    assert owned.notification_id == name


@pytest.fixture
async def dead_address(engine, channel, database, monkeypatch) -> str:
    """On the suppression list; a target's fingerprint is its address here, and its key always `r1`."""
    async with database.begin() as connection:
        await connection.execute(text("INSERT INTO dead_addresses VALUES ('dead@example.com')"))
    monkeypatch.setattr(channel, "targets", lambda to: (Target("r1", "Ada", to.email, to.email),))
    return "dead@example.com"


async def test_an_ambiguous_delivery_is_repeated_although_the_new_address_is_suppressed(
    engine, channel, reporter, database, dead_address, recipients
) -> None:
    channel.may_send.set()
    channel.outcome = Ambiguous("no_answer")
    body = _message()
    await engine.handle(Copy(body))
    async with database.begin() as connection:
        await connection.execute(text("UPDATE email_deliveries SET state = 'requeued'"))

    async def moved(_message: object) -> EmailRecipient:
        return EmailRecipient(name="Ada", email=dead_address)

    recipients.resolve = moved
    channel.outcome = Sent("p-2")
    await engine.handle(Copy(body))
    assert (channel.sends, reporter.reports[-1].status) == (2, "sent")


async def test_nothing_is_sent_to_a_suppressed_address(engine, channel, reporter, dead_address) -> None:
    copy = Copy(_message(recipient=EmailRecipient(name="Ada", email=dead_address)))
    await engine.handle(copy)
    assert (copy.answer, channel.sends, channel.open) == ("ack", 0, 0)
    assert [(report.status, report.code) for report in reporter.reports] == [("suppressed", "address_suppressed")]


COPY = EmailOptions(cc=("bo@example.com",))


async def test_the_memory_of_attachments_is_held_until_the_message_is_sent(engine, channel, reporter) -> None:
    task = asyncio.create_task(engine.handle(Copy(_message(email=COPY))))
    await asyncio.wait_for(channel.sending.wait(), 10)
    assert channel.held == 1
    channel.may_send.set()
    await asyncio.wait_for(task, 10)
    await engine.handle(Copy(_message()))
    assert (channel.held, channel.contents) == (0, ["content with more", "content"])
    assert [report.status for report in reporter.reports] == ["sent", "sent"]


async def test_the_memory_of_attachments_is_released_when_nothing_is_sent(engine, channel, reporter) -> None:
    channel.unreachable = ProviderDown("smtp_unavailable")
    await engine.handle(Copy(_message(email=COPY)))
    assert (channel.held, channel.sends, reporter.reports[-1].status) == (0, 0, "retrying")


@pytest.mark.parametrize(
    ("error", "reported"),
    [
        (DependencyUnavailable("gone for lunch"), ("retrying", "attachment_unavailable", 0)),
        (AttachmentGone(), ("failed", "attachment_gone", 1)),
        (RuntimeError("a defect"), ("retrying", "completing_failed", 1)),
    ],
)
async def test_without_its_attachments_nothing_is_sent(engine, channel, reporter, breaker, error, reported) -> None:
    channel.incomplete = error
    await engine.handle(Copy(_message(email=COPY)))
    [report] = reporter.reports
    assert (report.status, report.code, report.attempts) == reported
    assert channel.sends == 0
    assert breaker.state is BreakerState.CLOSED


HOLD = HoldRule(id=UUID(int=7), template_code="t")


async def _known_to(ledger: Ledger, body: bytes) -> list[str]:
    """The states of its deliveries."""
    name = NotificationMessage.model_validate_json(body).notification_id
    return [type(one).__name__ for one in (await ledger.states([name])).get(name, {}).values()]


async def test_a_held_message_goes_back_to_the_gateway_and_the_ledger_does_not_know_it(
    engine, channel, reporter, hold, ledger
) -> None:
    await hold(HOLD)
    body = _message()
    copy = Copy(body)
    await engine.handle(copy)
    assert (copy.answer, channel.sends) == ("ack", 0)
    assert [(report.status, report.hold_id) for report in reporter.reports] == [("held", HOLD.id)]
    assert await _known_to(ledger, body) == []


async def test_a_message_that_waits_for_its_slot_goes_back_when_it_is_held_meanwhile(
    engine, channel, reporter, hold, admission
) -> None:
    channel.may_send.set()
    async with AsyncExitStack() as busy:
        for _ in range(10):
            admitted = await busy.enter_async_context(admission.for_priority(9))
            await admitted.slot([frozenset({"provider"})])
            admitted.end_preparation()
        task = asyncio.create_task(engine.handle(Copy(_message())))
        await eventually(lambda: admission.sending.waiting, 10)
        await hold(HOLD)
    await asyncio.wait_for(task, 10)
    assert (channel.sends, channel.held, channel.open) == (0, 0, 0)
    assert [report.status for report in reporter.reports] == ["held"]


async def test_a_delivery_that_was_attempted_before_waits_in_the_ledger_while_it_is_held(
    engine, channel, reporter, hold, database
) -> None:
    channel.may_send.set()
    channel.outcome = RetryLater("busy", after_seconds=0.0)
    body = _message()
    await engine.handle(Copy(body))
    await hold(HOLD)
    async with database.begin() as connection:
        await connection.execute(text("UPDATE email_deliveries SET state = 'requeued'"))
    copy = Copy(body)
    await engine.handle(copy)
    assert (copy.answer, channel.sends) == ("ack", 1)
    assert [(report.status, report.code) for report in reporter.reports] == [("retrying", "busy"), ("retrying", "held")]
    async with database.begin() as connection:
        [row] = (await connection.execute(text("SELECT state, attempts, code FROM email_deliveries"))).all()
    assert tuple(row) == ("retry", 1, "held")  # no attempt was spent
    await hold()
    async with database.begin() as connection:
        await connection.execute(text("UPDATE email_deliveries SET state = 'requeued'"))
    channel.outcome = Sent("p-1")
    await engine.handle(Copy(body))
    assert (channel.sends, reporter.reports[-1].status) == (2, "sent")


async def test_an_ended_hold_recalls_messages_that_were_published_before(engine, channel, reporter, hold) -> None:
    channel.may_send.set()
    ended_at = datetime.now(UTC)
    await hold(HOLD.model_copy(update={"ended_at": ended_at}))
    await engine.handle(Copy(_message(queued_at=ended_at - timedelta(seconds=1))))
    await engine.handle(Copy(_message(queued_at=ended_at + timedelta(seconds=1))))
    assert [report.status for report in reporter.reports] == ["held", "sent"]


async def test_while_the_gateway_does_not_answer_the_last_holds_count(engine, reporter, hold) -> None:
    await hold(HOLD)
    await hold(None)
    await engine.handle(Copy(_message()))
    assert [report.status for report in reporter.reports] == ["held"]


async def test_the_gateway_is_asked_for_another_list_than_the_one_that_is_known(gateway, holds, hold) -> None:
    await hold()
    await hold(None)
    await hold(HOLD)
    await hold()
    none, one = HoldRules().digest, HoldRules(holds=(HOLD,)).digest
    assert gateway.known == ["", none, "", one]
