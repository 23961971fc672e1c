"""The queued-mark waits a moment (ADR 20): most rows then need none, and callers see no difference."""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from structlog.testing import capture_logs

from api_gateway.repositories import progress
from api_gateway.repositories.accepting import NewNotification
from api_gateway.repositories.outbox import DueRow, Lease, QueuedMark, Round
from api_gateway.services.metrics import GatewayMetrics
from api_gateway.services.outbox import QueuedMarks, outbox_message
from api_gateway.services.relay import Relay
from api_gateway.services.store import Store
from chassis.postgres.database import Database
from chassis.security.data_keys import DataKeys
from contracts.messages import NotificationMessage, StatusEvent
from testkit.brokers import BrokerThatMayBeAway
from testkit.eventually import eventually

NEVER = 1_000.0  # half a lease at most, which is longer than a test


async def _published(gateway, **changes) -> NotificationMessage:
    """Accepts and publishes a notification. Returns the message as a worker gets it."""
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    accepted = await gateway.send(user_id=str(user.id), **changes)
    assert accepted.status_code == 202
    return NotificationMessage.model_validate_json((await gateway.published())[0])


async def _report(gateway, message: NotificationMessage, status: str, **fields: object) -> None:
    """Reports as a worker does: with the message's own values."""
    said = {"queued_at": message.queued_at, "replay": message.replay}
    await gateway.report(str(message.notification_id), status, **said | fields)


def _marks(gateway) -> QueuedMarks:
    return gateway.root.marks


def _counted(gateway, status: str) -> float:
    return gateway.app.state.metrics.get_sample_value("notifications_total", {"type": "email", "status": status})


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _steps(detail: dict) -> list[str]:
    return [step["status"] for step in detail["timeline"]]


def _database(gateway) -> Database:
    return gateway.root.database


def _relay(gateway) -> Relay:
    metrics = GatewayMetrics(CollectorRegistry())
    root = gateway.root
    return Relay(root.directory, root.store, root.outbox, metrics, root.known_holds, retry_seconds=5)


async def _version(database: Database, name: UUID) -> tuple[object, ...]:
    """Changes whenever a statement writes or locks the row."""
    async with database.begin() as connection:
        row = await connection.execute(
            text("SELECT ctid::text, xmin::text, xmax::text FROM notifications WHERE id = :id"), {"id": name}
        )
        return tuple(row.one())


async def test_a_row_that_is_reported_within_the_moment_is_never_marked(start) -> None:
    gateway = await start(queued_mark_seconds=NEVER)
    message = await _published(gateway)
    assert (await gateway.detail(str(message.notification_id)))["status"] == "pending"
    await _report(gateway, message, "sent")
    detail = await gateway.until(str(message.notification_id), "sent")
    assert _at(detail["queued_at"]) == message.queued_at
    assert detail["created_at"] <= detail["queued_at"] <= detail["sent_at"]
    assert _steps(detail) == ["accepted", "queued", "sent"]
    assert (_counted(gateway, "queued"), _counted(gateway, "sent")) == (1, 1)
    assert _marks(gateway).waiting == {}
    before = await _version(_database(gateway), message.notification_id)
    await _marks(gateway).close()
    assert await _version(_database(gateway), message.notification_id) == before


async def test_a_row_that_is_not_is_marked_with_the_time_at_which_it_was_published(start) -> None:
    gateway = await start(queued_mark_seconds=0.3)
    message = await _published(gateway)
    detail = await gateway.until(str(message.notification_id), "queued")
    assert _at(detail["queued_at"]) == message.queued_at
    assert _at(detail["updated_at"]) >= message.queued_at + timedelta(seconds=0.25)
    await _report(gateway, message, "sent")
    detail = await gateway.until(str(message.notification_id), "sent")
    assert _at(detail["queued_at"]) == message.queued_at
    assert (_counted(gateway, "queued"), _counted(gateway, "sent")) == (1, 1)


async def test_a_mark_that_another_gateways_report_made_unnecessary_touches_nothing(start) -> None:
    publishing = await start(queued_mark_seconds=NEVER)
    message = await _published(publishing)
    database = _database(publishing)
    event = StatusEvent(
        notification_id=message.notification_id, notification_type="email", status="sent", at=datetime.now(UTC),
        queued_at=message.queued_at,
    )  # fmt: skip
    async with database.begin() as connection:  # the other gateway
        [applied] = await progress.apply_events(connection, [event], data_keys=DataKeys())
    assert (applied.queued_at, applied.newly_queued) == (message.queued_at, True)
    before = await _version(database, message.notification_id)
    assert len(_marks(publishing).waiting) == 1
    await _marks(publishing).close()
    assert await _version(database, message.notification_id) == before
    assert _counted(publishing, "queued") == 0, "the other one has counted it"


@pytest.mark.parametrize("says_when", [True, False])
async def test_a_report_that_it_is_tried_again_makes_it_queued(start, says_when: bool) -> None:
    """Also from a worker of the previous release. It may be the last report, so the search must find the row."""
    gateway = await start(queued_mark_seconds=NEVER, report_silence_seconds=0.5)
    message = await _published(gateway)
    name = str(message.notification_id)
    await _report(gateway, message, "retrying", attempts=1, **({} if says_when else {"queued_at": None}))
    detail = await gateway.until(name, "queued")
    assert _steps(detail) == ["accepted", "queued", "retrying"]
    assert detail["created_at"] <= detail["queued_at"] <= detail["timeline"][-1]["at"]
    assert (_counted(gateway, "queued"), _marks(gateway).waiting) == (1, {})
    gateway.peers.ended.append(
        StatusEvent(
            notification_id=message.notification_id, notification_type="email", status="sent", at=datetime.now(UTC)
        )
    )
    assert _steps(await gateway.until(name, "sent")) == ["accepted", "queued", "retrying", "sent"]


@pytest.mark.parametrize("by", ["a worker of the previous release", "a callback"])
async def test_a_row_that_changed_without_its_queued_time_still_gets_its_mark(start, by: str) -> None:
    gateway = await start(queued_mark_seconds=0.4)
    message = await _published(gateway)
    name = str(message.notification_id)
    if by == "a callback":
        await gateway.callback(name, "delivered")
    else:
        await _report(gateway, message, "delivered", queued_at=None)
    detail = await gateway.until(name, "delivered")
    assert (detail["queued_at"], _steps(detail)) == (None, ["accepted", "delivered"])

    async def marked() -> bool:
        return (await gateway.detail(name))["queued_at"] is not None

    await eventually(marked)
    detail = await gateway.detail(name)
    assert (detail["status"], _steps(detail)) == ("delivered", ["accepted", "queued", "delivered"])
    assert _at(detail["queued_at"]) == message.queued_at
    assert (_counted(gateway, "queued"), _counted(gateway, "delivered")) == (1, 1)


async def test_a_notification_that_waits_for_its_mark_cannot_be_cancelled(start) -> None:
    gateway = await start(queued_mark_seconds=NEVER)
    message = await _published(gateway)
    refused = await gateway.http.delete(f"/api/v1/notifications/{message.notification_id}", headers=gateway.token())
    assert (refused.status_code, refused.json()["error"]) == (409, "not_cancellable")


async def test_the_mark_does_not_wait_until_a_relay_takes_the_row(start) -> None:
    gateway = await start(queued_mark_seconds=NEVER, lease_seconds=4)
    gateway.peers.add_template()
    user = gateway.peers.add_user()
    name = (await gateway.send(user_id=str(user.id))).json()["data"]["notification_id"]
    detail = await gateway.until(name, "queued")
    assert _at(detail["updated_at"]) - _at(detail["created_at"]) < timedelta(seconds=4)
    assert (await gateway.broker.depth("email.queue")).ready == 1


async def test_what_a_dead_gateway_published_and_did_not_mark_stays_uncancellable(start) -> None:
    """A relay that took it and cannot publish gives it back, but does not mark it as certainly unpublished."""
    dead = await start(queued_mark_seconds=NEVER, lease_seconds=1, relay_interval_seconds=1_000)
    _marks(dead).note_confirmed = lambda *_, **__: None  # it dies between the confirm and the mark
    broker = BrokerThatMayBeAway()
    living = await start(broker=broker, relay_interval_seconds=1_000, lease_seconds=30)
    name = str((await _published(dead)).notification_id)
    relay = _relay(living)
    take = relay.take

    async def taken_as_the_broker_goes() -> list[DueRow]:
        rows = await take()
        broker.down = bool(rows)
        return rows

    relay.take = taken_as_the_broker_goes

    async def relayed() -> bool:
        await relay.run_once()
        return broker.down

    await eventually(relayed)
    refused = await living.http.delete(f"/api/v1/notifications/{name}", headers=living.token())
    assert (refused.status_code, refused.json()["error"]) == (409, "not_cancellable")


async def test_a_lease_that_ran_out_gives_nothing_back(start) -> None:
    """It waited in memory past its lease, and the broker is down then. A relay, perhaps of this process, has published it."""
    broker = BrokerThatMayBeAway()
    gateway = await start(broker=broker, queued_mark_seconds=NEVER, lease_seconds=1.5, relay_interval_seconds=1_000)
    outbox = gateway.root.outbox
    held: list[tuple[NewNotification, Lease]] = []
    outbox.offer = lambda row, created_at: held.append((row, Lease.since(created_at)))
    gateway.peers.add_template()
    name = (await gateway.send(user_id=str(gateway.peers.add_user().id))).json()["data"]["notification_id"]

    async def relayed() -> bool:
        return await _relay(gateway).run_once() > 0

    await eventually(relayed)
    [(row, lease)] = held
    broker.down = True
    assert await outbox.publish([outbox_message(row, lease, created_at=lease.at)]) == 0
    refused = await gateway.http.delete(f"/api/v1/notifications/{name}", headers=gateway.token())
    assert (refused.status_code, refused.json()["error"]) == (409, "not_cancellable")


async def test_a_copy_that_a_relay_publishes_is_not_counted_again(start) -> None:
    gateway = await start(lost_grace_seconds=0.3)
    message = await _published(gateway)  # and lost: no worker reports it
    again = NotificationMessage.model_validate_json((await gateway.published())[0])
    assert again.notification_id == message.notification_id
    assert again.queued_at > message.queued_at
    assert message.created_at == again.created_at

    async def moved_on() -> bool:
        return _at((await gateway.detail(str(message.notification_id)))["queued_at"]) >= again.queued_at

    await eventually(moved_on)
    assert _counted(gateway, "queued") == 1


@pytest.fixture
async def marks(start):
    """`await marks(NEVER)`: the marks of a second process, a notification that it published, and its metrics."""
    gateway = await start(queued_mark_seconds=NEVER)

    async def make(moment_seconds: float) -> tuple[QueuedMarks, QueuedMark, CollectorRegistry]:
        message = await _published(gateway)
        registry = CollectorRegistry()
        store = Store(_database(gateway), DataKeys(), process="p", lease_seconds=30)
        made = QueuedMarks(store, GatewayMetrics(registry), moment_seconds=moment_seconds)
        return made, QueuedMark(Round(message.notification_id, 0), message.queued_at), registry

    make.gateway = gateway
    return make


def _far() -> float:
    return time.monotonic() + NEVER


async def test_a_gateway_that_stops_marks_what_waits(marks) -> None:
    queued, mark, registry = await marks(NEVER)
    queued.note_confirmed([mark], by=_far())
    await queued.close()
    assert (await marks.gateway.detail(str(mark.round.id)))["status"] == "queued"
    assert registry.get_sample_value("notifications_total", {"type": "email", "status": "queued"}) == 1


async def test_when_too_many_wait_they_are_marked_at_once(marks, monkeypatch) -> None:
    monkeypatch.setattr("api_gateway.services.outbox.MAX_WAITING", 1)
    queued, first, _ = await marks(NEVER)
    _, second, _ = await marks(NEVER)
    queued.note_confirmed([first], by=_far())
    queued.note_confirmed([second], by=_far())
    await marks.gateway.until(str(second.round.id), "queued")
    assert (await marks.gateway.detail(str(first.round.id)))["status"] == "pending"


async def test_a_report_of_an_earlier_round_does_not_take_the_mark_of_a_fresh_one(marks) -> None:
    queued, mark, _ = await marks(NEVER)
    async with _database(marks.gateway).begin() as connection:
        await connection.execute(text("UPDATE notifications SET replay = 1"))
    fresh = QueuedMark(Round(mark.round.id, 1), mark.queued_at)
    queued.note_confirmed([fresh], by=_far())
    queued.reported(mark.round)
    await queued.close()
    assert (await marks.gateway.detail(str(mark.round.id)))["status"] == "queued"


async def test_while_the_database_is_down_marks_wait_for_it(marks) -> None:
    queued, mark, registry = await marks(0.1)
    url = marks.gateway.settings.database_url
    name = url.rpartition("/")[2].partition("?")[0]
    operator = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        await operator.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        await operator.execute(END_SESSIONS)
        with capture_logs() as events:
            queued.note_confirmed([mark], by=_far())
            await eventually(_put_off(events))
        assert await operator.fetchval("SELECT status FROM notifications WHERE id = $1", mark.round.id) == "pending"
        await operator.execute("SET default_transaction_read_only = off")
        await operator.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')

        async def marked() -> bool:
            status = await operator.fetchval("SELECT status FROM notifications WHERE id = $1", mark.round.id)
            return bool(status == "queued")

        await eventually(marked)
        await queued.close()
        assert registry.get_sample_value("notifications_total", {"type": "email", "status": "queued"}) == 1
    finally:
        await operator.close()


END_SESSIONS = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""


def _put_off(events: list) -> Callable[[], Awaitable[bool]]:
    async def put_off() -> bool:
        return any(one["event"] == "outbox.marks_delayed" for one in events)

    return put_off


async def test_the_time_that_a_message_states_is_the_databases(start) -> None:
    """Independent of this host's clock: the lease began at the database's time, and its age is measured monotonically."""
    at = datetime(2001, 2, 3, tzinfo=UTC)
    assert timedelta(seconds=5) <= Lease(at, time.monotonic() - 5).now() - at < timedelta(seconds=6)
    gateway = await start(queued_mark_seconds=NEVER)
    soon = datetime.now(UTC) + timedelta(seconds=0.5)
    message = await _published(gateway, send_at=soon.isoformat())  # through the relay
    async with _database(gateway).begin() as connection:
        now = await connection.scalar(text("SELECT now()"))
    assert max(soon, message.created_at) <= message.queued_at <= now


async def test_a_time_that_cannot_be_is_held_between_creation_and_report(start) -> None:
    gateway = await start(queued_mark_seconds=NEVER)
    for wrong in (timedelta(days=-400), timedelta(days=400)):
        message = await _published(gateway)
        await _report(gateway, message, "sent", queued_at=datetime.now(UTC) + wrong)
        detail = await gateway.until(str(message.notification_id), "sent")
        assert detail["created_at"] <= detail["queued_at"] <= detail["sent_at"]
