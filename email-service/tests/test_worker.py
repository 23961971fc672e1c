"""The whole worker: a real ledger, the in-process broker, the mail simulator, and the two services it asks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx2
import pytest
from fastapi import FastAPI

from chassis.broker import MemoryBroker, Publication
from chassis.security import ServiceTokens
from contracts.lookups import API_GATEWAY, EMAIL_SERVICE
from contracts.messages import NotificationMessage, StatusEvent, TemplateRef
from contracts.recipients import EmailRecipient
from contracts.topology import TOPOLOGY
from email_service.addresses import fingerprint
from email_service.migrating import ALEMBIC
from email_service.settings import EmailSettings
from email_service.worker import create_app


@dataclass
class World:
    """One worker's surroundings, and what a gateway would see."""

    settings: EmailSettings
    broker: MemoryBroker
    redis: object
    events: list[StatusEvent]
    failed: list[bytes]

    @asynccontextmanager
    async def worker(self, **changed: object) -> AsyncIterator[FastAPI]:
        app = create_app(self.settings.model_copy(update=changed), redis=self.redis, broker=self.broker)
        async with app.router.lifespan_context(app):
            yield app

    async def publish(self, *messages: NotificationMessage) -> None:
        outcomes = await self.broker.publish_many(
            [
                Publication("email", one.model_dump_json().encode(), str(one.notification_id), priority=one.priority)
                for one in messages
            ]
        )
        assert outcomes == [None] * len(messages)

    def statuses(self, notification_id: UUID) -> list[str]:
        return [event.status for event in self.events if event.notification_id == notification_id]

    def last(self, notification_id: UUID) -> StatusEvent:
        return [event for event in self.events if event.notification_id == notification_id][-1]


@pytest.fixture
async def world(databases, redis, lookups, simulator) -> AsyncIterator[World]:
    settings = EmailSettings(
        _env_file=None,
        database_url=await databases(ALEMBIC),
        user_service_url=lookups.url,
        template_service_url=lookups.url,
        smtp_host="127.0.0.1",
        smtp_port=simulator.port,
        from_email="sender@example.org",
        retry_base_seconds=0.05,
        sweep_interval_seconds=0.05,
        max_retries=2,
        drain_seconds=1,
    )
    broker = MemoryBroker(TOPOLOGY, handler_pause=0.05)
    made = World(settings, broker, redis, [], [])

    async def hear(delivery) -> None:
        made.events.append(StatusEvent.model_validate_json(delivery.body))
        await delivery.ack()

    async def bury(delivery) -> None:
        made.failed.append(delivery.body)
        await delivery.ack()

    await broker.start()
    consumers = [
        await broker.consume("status.queue", hear, prefetch=100),
        await broker.consume("failed.queue", bury, prefetch=100),
    ]
    yield made
    for consumer in consumers:
        await consumer.close()
    await broker.close()


def message(user_id: UUID, **others: object) -> NotificationMessage:
    identity = uuid4()
    given = {
        "notification_id": identity,
        "request_id": "r-1",
        "correlation_id": f"story-{identity}",
        "notification_type": "email",
        "user_id": user_id,
        "template": TemplateRef(code="welcome", version=1, language="en"),
        "variables": {"name": "Ada"},
        "recipient": EmailRecipient(name="Old Name", email="old@example.com"),
        "priority": 5,
        "created_at": datetime.now(UTC),
    }
    return NotificationMessage(**(given | others))


async def test_a_notification_arrives_in_the_mailbox_and_is_reported_sent(world, lookups, inbox, until):
    sent = message(lookups.add_user("ada@example.com"))
    async with world.worker():
        await world.publish(sent)
        [email] = await inbox.emails.wait_for(1)
        await until(lambda: world.statuses(sent.notification_id) == ["sent"])
    assert (email.recipient, email.envelope_from) == ("ada@example.com", "sender@example.org")
    assert (email.subject, email.html, email.text) == ("Welcome, Ada", "<p>Hello Ada!</p>", "Hello Ada!")
    assert email.to_header == "Ada Lovelace <ada@example.com>"
    assert email.message_id == f"<{sent.notification_id}@example.org>"
    assert ("X-Correlation-ID", sent.correlation_id) in email.headers
    event = world.last(sent.notification_id)
    assert (event.attempts, event.correlation_id, event.provider_message_id) == (
        1,
        sent.correlation_id,
        email.message_id,
    )
    assert world.failed == []


async def test_the_same_message_twice_is_one_mail(world, lookups, inbox, until):
    sent = message(lookups.add_user("ada@example.com"))
    async with world.worker():
        await world.publish(sent, sent)
        await until(lambda: world.statuses(sent.notification_id) == ["sent"])
        await world.publish(sent)
        await until(lambda: world.statuses(sent.notification_id) == ["sent", "sent"])  # said again, not sent again
    assert inbox.emails.total == 1


async def test_a_deferred_mail_is_tried_again_until_it_is_taken(world, lookups, inbox, until):
    sent = message(lookups.add_user("defer-2@example.com"))
    async with world.worker():
        await world.publish(sent)
        await until(lambda: "sent" in world.statuses(sent.notification_id))
    assert world.statuses(sent.notification_id) == ["retrying", "retrying", "sent"]
    assert world.last(sent.notification_id).attempts == 3
    assert inbox.emails.total == 1


async def test_what_is_deferred_too_often_ends_as_failed_and_in_the_failed_queue(world, lookups, inbox, until):
    sent = message(lookups.add_user("defer-9@example.com"))
    async with world.worker():
        await world.publish(sent)
        await until(lambda: world.failed)
    event = world.last(sent.notification_id)
    assert (event.status, event.code, event.attempts) == ("failed", "exhausted", 3)
    assert event.detail == "deferred: 451 4.3.0 Try again later"
    assert [NotificationMessage.model_validate_json(body) for body in world.failed] == [sent]
    assert inbox.emails.total == 0


async def test_a_dead_mailbox_fails_at_once_and_is_not_written_to_again(world, lookups, inbox, until):
    user = lookups.add_user("bounce@example.com")
    first, second = message(user), message(user)
    async with world.worker():
        await world.publish(first)
        await until(lambda: world.failed)
        await world.publish(second)
        await until(lambda: world.statuses(second.notification_id))
    event = world.last(first.notification_id)
    assert (event.status, event.code, event.attempts) == ("failed", "bounced", 1)
    assert "@" not in (event.detail or "")
    event = world.last(second.notification_id)
    assert (event.status, event.code, event.attempts) == ("suppressed", "address_suppressed", 0)
    assert inbox.emails.refused == 1


async def test_a_connection_that_dies_after_the_dot_is_resent_with_the_same_message_id(world, lookups, inbox, until):
    sent = message(lookups.add_user("drop@example.com"))
    async with world.worker():
        await world.publish(sent)
        await until(lambda: "sent" in world.statuses(sent.notification_id))
    assert [event.code for event in world.events] == ["smtp_disconnected", None]
    assert [email.message_id for email in inbox.emails] == [f"<{sent.notification_id}@example.org>"] * 2


async def test_a_provider_that_is_down_costs_no_attempt_and_everything_is_sent_after(
    world, lookups, inbox, simulator, until
):
    user = lookups.add_user("ada@example.com")
    messages = [message(user) for _ in range(15)]
    simulator.faults.smtp = "down"
    async with world.worker() as app:
        await world.publish(*messages)
        await until(lambda: _breaker_state(app) == 2)
        assert (await _health(app))["data"]["dependencies"]["smtp"]["status"] == "down"
        simulator.faults.smtp = None
        await inbox.emails.wait_for(15, within=40)
        await until(lambda: all("sent" in world.statuses(one.notification_id) for one in messages), within=20)
    assert inbox.emails.total == 15
    assert {world.last(one.notification_id).attempts for one in messages} == {1}
    assert world.failed == []


async def test_a_stalled_message_does_not_hold_up_the_others(world, lookups, inbox, until):
    stalled = message(lookups.add_user("stall-3@example.com"))
    others = [message(lookups.add_user(f"user{number}@example.com")) for number in range(5)]
    async with world.worker(worker_concurrency=2, worker_prefetch_count=2, drain_seconds=10):
        await world.publish(stalled, *others)
        await until(lambda: all(world.statuses(one.notification_id) == ["sent"] for one in others))
        assert world.statuses(stalled.notification_id) == []
    assert inbox.emails.total == 6


@pytest.mark.parametrize("body", [b"{", b"{}", b"\xff\xfe", b'{"version": 2}'])
async def test_a_poison_message_goes_to_the_failed_queue_and_harms_nobody(world, lookups, inbox, until, body):
    sent = message(lookups.add_user("ada@example.com"))
    async with world.worker():
        await world.broker.publish_many([Publication("email", body, "poison")])
        await world.publish(sent)
        await until(lambda: world.statuses(sent.notification_id) == ["sent"] and world.failed)
    assert world.failed == [body]


async def test_a_push_recipient_in_the_email_queue_fails_and_is_seen(world, lookups, until):
    lost = message(lookups.add_user("ada@example.com"), recipient={"name": "Ada", "push_tokens": [{"token": "t"}]})
    async with world.worker(user_service_url="http://127.0.0.1:1"):
        await world.publish(lost)
        await until(lambda: world.failed)
    assert (world.last(lost.notification_id).status, world.last(lost.notification_id).code) == (
        "failed",
        "invalid_address",
    )


@pytest.mark.parametrize(
    ("change", "end"),
    [
        ({"variables": {}}, ("failed", "render_failed")),
        ({"template": TemplateRef(code="gone", version=1, language="en")}, ("failed", "template_gone")),
        ({"expires_at": datetime.now(UTC) - timedelta(seconds=1)}, ("expired", "expired")),
    ],
)
async def test_what_cannot_be_sent_ends_and_says_why(world, lookups, until, change, end):
    sent = message(lookups.add_user("ada@example.com"), **change)
    async with world.worker():
        await world.publish(sent)
        await until(lambda: world.statuses(sent.notification_id))
    assert (world.last(sent.notification_id).status, world.last(sent.notification_id).code) == end


async def test_a_user_who_is_gone_is_not_written_to(world, inbox, until):
    sent = message(uuid4())
    async with world.worker():
        await world.publish(sent)
        await until(lambda: world.statuses(sent.notification_id) == ["suppressed"])
    assert inbox.emails.total == 0


async def test_a_users_choice_counts_at_the_time_of_sending(world, lookups, inbox, until):
    sent = message(lookups.add_user("ada@example.com", wants_email=False))
    async with world.worker():
        await world.publish(sent)
        await until(lambda: world.statuses(sent.notification_id) == ["suppressed"])
    assert inbox.emails.total == 0


async def test_an_address_that_is_two_is_not_written_to(world, lookups, inbox, until):
    sent = message(lookups.add_user("a@b.c, v@e.f"))
    async with world.worker():
        await world.publish(sent)
        await until(lambda: world.failed)
    assert world.last(sent.notification_id).code == "invalid_address"
    assert inbox.emails.total == 0


async def test_it_starts_while_everything_it_needs_is_down(world, redis):
    nowhere = {
        "database_url": "postgresql+asyncpg://nobody@127.0.0.1:1/nothing",
        "user_service_url": "http://127.0.0.1:1",
        "template_service_url": "http://127.0.0.1:1",
        "smtp_port": 1,
    }
    async with world.worker(**nowhere) as app:
        health = await _health(app)
    down = {name for name, found in health["data"]["dependencies"].items() if found["status"] == "down"}
    assert health["status"] == "unhealthy"
    assert down == {"database", "user-service", "template-service", "smtp"}


async def test_a_healthy_worker_says_so(world):
    async with world.worker() as app:
        health = await _health(app)
    assert health["status"] == "healthy"
    assert set(health["data"]["dependencies"]) == {
        "database",
        "rabbitmq",
        "redis",
        "user-service",
        "template-service",
        "smtp",
    }


async def test_a_suppression_can_be_seen_and_pardoned_by_services_only(world, lookups, inbox, until):
    user = lookups.add_user("bounce@example.com")
    mark = fingerprint("bounce@example.com")
    token = ServiceTokens(world.settings.service_secret.get_secret_value(), API_GATEWAY).issue(EMAIL_SERVICE)
    async with world.worker() as app, _client(app) as http:
        await world.publish(message(user))
        await until(lambda: world.failed)
        assert (await http.get(f"/internal/suppressions/{mark}")).status_code == 401
        http.headers["Authorization"] = f"Bearer {token}"
        found = (await http.get(f"/internal/suppressions/{mark}")).json()["data"]
        assert (found["masked"], found["reason"]) == ("b***@example.com", "bounced")
        assert (await http.delete(f"/internal/suppressions/{mark}")).status_code == 200
        assert (await http.delete(f"/internal/suppressions/{mark}")).status_code == 404
        assert (await http.get(f"/internal/suppressions/{mark}")).status_code == 404
        assert (await http.get("/internal/suppressions/bounce@example.com")).status_code == 422
        await world.publish(message(user))
        await until(lambda: inbox.emails.refused == 2)


def _client(app: FastAPI) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://worker.test")


async def _health(app: FastAPI) -> dict:
    async with _client(app) as http:
        return (await http.get("/health")).json()


def _breaker_state(app: FastAPI) -> float | None:
    return app.state.metrics.get_sample_value("circuit_breaker_state", {"name": "smtp"})
