"""A domain that refuses mail for now gets less, and recovers. Other domains get their mail, and nothing is lost."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from contracts.messages import NotificationMessage
from contracts.topology import queues_of
from devstack.simulators.magic import Faults
from devstack.simulators.smtp import SmtpSimulator
from devstack.simulators.smtp_handler import SmtpHandler
from devstack.simulators.webhooks import Webhooks
from testkit.eventually import eventually, time_passes

SLOW, FAST = "slow.example.com", "fast.example.com"
TOO_MANY = "451 4.7.1 Too many messages from you"


@dataclass
class Domains(SmtpHandler):
    """A relay that passes on what the recipients' domains answer to RCPT. `may_answer`: mails wait while it is not set."""

    inbox: object
    refusing: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)  # the domain of each RCPT
    at_once: Counter[str] = field(default_factory=Counter)
    most_at_once: Counter[str] = field(default_factory=Counter)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        super().__init__(self.inbox, Faults(), Webhooks())

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 - aiosmtpd's names
        domain = _domain(address)
        self.asked.append(domain)
        if domain in self.refusing:
            return self._refused(self.refusing[domain])
        return await super().handle_RCPT(server, session, envelope, address, options)

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        domain = _domain(envelope.rcpt_tos[0])
        self.at_once[domain] += 1
        self.most_at_once[domain] = max(self.most_at_once[domain], self.at_once[domain])
        try:
            if domain in self.gates:
                await self.gates[domain].wait()
            await time_passes(self.seconds)
            return await super().handle_DATA(server, session, envelope)
        finally:
            self.at_once[domain] -= 1


def _domain(address: str) -> str:
    return address.rpartition("@")[2]


@pytest.fixture
async def relay(inbox) -> AsyncIterator[Domains]:
    handler = Domains(inbox)
    running = SmtpSimulator(inbox, handler=handler)
    await running.start()
    handler.port = running.port
    yield handler
    await running.close()


class Ledger:
    def __init__(self, world) -> None:
        self._engine = create_async_engine(world.settings.database_url)

    async def rows(self, messages: Sequence[NotificationMessage]) -> list:
        async with self._engine.connect() as connection:
            found = await connection.execute(
                text("SELECT state, attempts, deferrals, code FROM email_deliveries WHERE notification_id = ANY(:ids)"),
                {"ids": [one.notification_id for one in messages]},
            )
            return list(found)

    async def states(self, messages: Sequence[NotificationMessage]) -> Counter[str]:
        return Counter(row.state for row in await self.rows(messages))

    async def close(self) -> None:
        await self._engine.dispose()


@pytest.fixture
async def ledger(world) -> AsyncIterator[Ledger]:
    made = Ledger(world)
    yield made
    await made.close()


@pytest.fixture
def mails(message, lookups):
    """So many messages to different people of one domain."""

    def make(domain: str, number: int, **others: object) -> list[NotificationMessage]:
        return [message(lookups.add_user(f"user{one}@{domain}"), **others) for one in range(number)]

    return make


def sent(world, messages: Sequence[NotificationMessage]) -> list[NotificationMessage]:
    return [one for one in messages if "sent" in world.statuses(one.notification_id)]


def recipients(inbox) -> Counter[str]:
    return Counter(one.recipient for one in inbox.emails)


async def test_a_domain_that_refuses_gets_single_probes_and_recovers_and_the_others_do_not_notice(
    world, mails, relay, inbox, ledger
):
    slow, fast = mails(SLOW, 60), mails(FAST, 60)
    relay.refusing[SLOW], relay.seconds = TOO_MANY, 0.02
    async with world.worker(smtp_port=relay.port, down_retry_seconds=0.1, worker_concurrency=20) as app:
        await world.publish(*slow)
        await eventually(lambda: app.state.metrics.get_sample_value("deliveries_throttled_total") > 20)
        refused = len(relay.asked)
        assert refused <= 20 + 5, "those that were on their way, and the first probes"
        await world.publish(*fast)
        await eventually(lambda: len(sent(world, fast)) == 60)
        probes = len(relay.asked) - refused - 60
        assert probes <= 12, "each pause is twice as long as the one before"
        assert {world.last(one.notification_id).attempts for one in fast} == {1}
        assert relay.most_at_once[FAST] > 5
        assert app.state.metrics.get_sample_value("throttled_domains") == 1
        await eventually(lambda: ledger.states(slow), until=lambda found: found["retry"] > 50)
        del relay.refusing[SLOW]
        await eventually(lambda: len(sent(world, slow)) == 60, within=60)
        asked = Counter(relay.asked)
        assert app.state.metrics.get_sample_value("throttled_domains") <= 1
    assert 1 < relay.most_at_once[SLOW] <= 20, "it went up again"
    assert set(recipients(inbox).values()) == {1}
    assert inbox.emails.total == 120
    assert asked[SLOW] == sum(row.attempts for row in await ledger.rows(slow)), "nothing but a call is an attempt"
    assert world.failed == []


async def test_a_postponed_delivery_is_reported_once_and_spends_no_attempt(world, mails, relay, ledger):
    slow = mails(SLOW, 30)
    relay.refusing[SLOW] = TOO_MANY
    async with world.worker(smtp_port=relay.port, down_retry_seconds=0.2, worker_concurrency=3):
        await world.publish(*slow)
        await eventually(lambda: ledger.rows(slow), until=lambda rows: sum(row.deferrals for row in rows) > 90)
        reports = Counter(event.notification_id for event in world.events if event.code == "domain_throttled")
        rows = [row for row in await ledger.rows(slow) if row.attempts == 0]
    assert set(reports.values()) == {1}
    assert len(rows) > 15
    assert {event.attempts for event in world.events if event.code == "domain_throttled"} <= {0, 1, 2}


async def test_a_notification_without_a_call_does_not_wait_for_a_domain(world, mails, relay, message, lookups):
    slow, test = mails(SLOW, 10), message(lookups.add_user(f"test@{SLOW}"), test=True)
    gone = message(lookups.add_user(f"gone@{SLOW}", wants_email=False))
    relay.refusing[SLOW] = TOO_MANY
    async with world.worker(smtp_port=relay.port, down_retry_seconds=600) as app:
        await world.publish(*slow)
        await eventually(lambda: app.state.metrics.get_sample_value("throttled_domains") == 1)
        await eventually(lambda: len(relay.asked) >= 3)
        await world.publish(test, gone)
        await eventually(lambda: world.statuses(test.notification_id) == ["sent"])
        await eventually(lambda: world.statuses(gone.notification_id) == ["suppressed"])


async def test_urgent_messages_that_wait_for_a_domain_go_first(world, mails, relay, inbox):
    relay.gates[SLOW] = asyncio.Event()
    first, usual, urgent = mails(SLOW, 1), mails(SLOW, 4, priority=3), mails(SLOW, 3, priority=9)
    async with world.worker(smtp_port=relay.port, email_domain_connections=1):
        await world.publish(*first)
        await eventually(lambda: relay.at_once[SLOW] == 1)
        await world.publish(*usual)
        await world.publish(*urgent)
        await eventually(lambda: _in_hand(world), until=lambda number: number == 8)
        await time_passes(0.2)  # until the last one waits
        relay.gates[SLOW].set()
        await eventually(lambda: inbox.emails.total == 8)
    order = [email.message_id.strip("<>").partition("@")[0] for email in inbox.emails]
    assert set(order[1:4]) == {str(one.notification_id) for one in urgent}
    assert relay.most_at_once[SLOW] == 1


async def test_messages_that_wait_for_a_domain_leave_prefetch_to_others_and_claim_nothing(world, mails, relay, ledger):
    """The prefetch is full of messages for a domain that takes one at a time, and other mail passes all the same."""
    relay.gates[SLOW] = asyncio.Event()
    slow, fast = mails(SLOW, 20), mails(FAST, 5)
    changed = {
        "worker_prefetch_count": 4,
        "worker_concurrency": 2,
        "email_domain_connections": 1,
        "down_retry_seconds": 0.5,
    }
    async with world.worker(smtp_port=relay.port, **changed) as app:
        await world.publish(*slow)
        await eventually(lambda: relay.at_once[SLOW] == 1)
        await world.publish(*fast)
        await eventually(lambda: len(sent(world, fast)) == 5)
        await eventually(lambda: ledger.states(slow), until=lambda found: found["sending"] == 1 and found["retry"] > 10)
        assert app.state.metrics.get_sample_value("throttled_domains") == 0
        assert {event.code for event in world.events if event.status == "retrying"} == {"domain_busy"}
        relay.gates[SLOW].set()
        await eventually(lambda: len(sent(world, slow)) == 20, within=60)
    assert relay.most_at_once[SLOW] == 1
    assert {world.last(one.notification_id).attempts for one in slow} == {1}


async def test_a_domain_that_refuses_to_the_end_of_the_window_fails_every_message_and_loses_none(
    world, mails, relay, ledger
):
    slow = mails(SLOW, 20)
    relay.refusing[SLOW] = TOO_MANY
    changed = {"retry_window_seconds": 1.0, "retry_longest_seconds": 0.3, "down_retry_seconds": 0.02}
    async with world.worker(smtp_port=relay.port, worker_concurrency=4, **changed):
        await world.publish(*slow)
        await eventually(lambda: len(world.failed) == 20, within=60)
    assert {(world.last(one.notification_id).status, world.last(one.notification_id).code) for one in slow} == {
        ("failed", "exhausted")
    }
    assert {row.state for row in await ledger.rows(slow)} == {"failed"}


async def test_one_full_mailbox_throttles_no_domain(world, mails, relay):
    full = mails(SLOW, 6)
    relay.refusing[SLOW] = "452 4.2.2 Mailbox full"
    async with world.worker(smtp_port=relay.port) as app:
        await world.publish(*full)
        await eventually(lambda: len(relay.asked) >= 12)
        assert app.state.metrics.get_sample_value("throttled_domains") == 0
        assert app.state.metrics.get_sample_value("deliveries_throttled_total") == 0


async def test_it_can_be_switched_off(world, mails, relay):
    slow = mails(SLOW, 10)
    relay.refusing[SLOW] = TOO_MANY
    async with world.worker(smtp_port=relay.port, email_domain_throttle=False) as app:
        await world.publish(*slow)
        await eventually(lambda: len(relay.asked) >= 30)
        assert app.state.metrics.get_sample_value("throttled_domains") is None
    assert "domain_throttled" not in {event.code for event in world.events}


async def _in_hand(world) -> int:
    depths = [await world.broker.depth(queue) for queue in queues_of("email")]
    return sum(depth.unacked or 0 for depth in depths)
