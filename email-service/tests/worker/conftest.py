"""A whole worker and its surroundings: a real ledger, the in-process broker and the mail simulator."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import httpx2
import pytest
from fastapi import FastAPI

from chassis.broker import MemoryBroker, Publication
from contracts.messages import NotificationMessage, StatusEvent, StatusEvents, TemplateRef
from contracts.recipients import EmailRecipient
from contracts.topology import TOPOLOGY, routing_key_of
from devstack.simulators.magic import Faults
from devstack.simulators.smtp import SmtpSimulator
from devstack.simulators.store import Inbox
from email_service.settings import ALEMBIC, EmailSettings
from email_service.worker import create_app
from tests.leaks.watch import WATCH
from tests.openapi.conformance import Conformance


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def simulator(inbox: Inbox) -> AsyncIterator[SmtpSimulator]:
    running = SmtpSimulator(inbox, faults=Faults())
    await running.start()
    yield running
    await running.close()


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
        WATCH.learn(*(one.model_dump_json().encode() for one in messages))
        outcomes = await self.broker.publish_many(
            [
                Publication(
                    routing_key_of("email", one.priority),
                    one.model_dump_json().encode(),
                    str(one.notification_id),
                    priority=one.priority,
                )
                for one in messages
            ]
        )
        assert outcomes == [None] * len(messages)

    def http(self, app: FastAPI) -> httpx2.AsyncClient:
        hooks = {"response": [Conformance(app)]}
        transport = httpx2.ASGITransport(app=app)
        return httpx2.AsyncClient(transport=transport, base_url="http://worker.test", event_hooks=hooks)

    async def health(self, app: FastAPI) -> dict:
        async with self.http(app) as http:
            return (await http.get("/health")).json()

    def breaker_state(self, app: FastAPI) -> float | None:
        return app.state.metrics.get_sample_value("circuit_breaker_state", {"name": "smtp"})

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
        api_gateway_url=lookups.url,
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
        made.events.extend(StatusEvents.model_validate_json(delivery.body).events)
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


@pytest.fixture
def message() -> Callable[..., NotificationMessage]:
    return _message


def _message(user_id: UUID, **others: object) -> NotificationMessage:
    identity = uuid4()
    given = {
        "notification_id": identity,
        "request_id": "r-1",
        "correlation_id": f"correlation-{identity}",
        "notification_type": "email",
        "user_id": user_id,
        "template": TemplateRef(code="welcome", version=1, language="en"),
        "variables": {"name": "Ada"},
        "recipient": EmailRecipient(name="Old Name", email="old@example.com"),
        "priority": 5,
        "created_at": datetime.now(UTC),
    }
    return NotificationMessage(**(given | others))
