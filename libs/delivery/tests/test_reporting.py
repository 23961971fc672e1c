"""The status events that a worker publishes."""

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from chassis.broker import IncomingMessage, MemoryBroker
from contracts.messages import NotificationMessage, StatusEvent, TemplateRef, read_events
from contracts.recipients import EmailRecipient
from contracts.topology import STATUS_QUEUE, TOPOLOGY
from delivery.decisions import DeliveryReport
from delivery.reporting import Reporter

AT = datetime(2026, 11, 26, 12, 0, 0, 123456, tzinfo=UTC)


def _message(queued_at: datetime | None) -> NotificationMessage:
    return NotificationMessage(
        notification_id=uuid4(), request_id="r", correlation_id="c", notification_type="email", user_id=uuid4(),
        template=TemplateRef(code="t", version=1, language="en"), variables={}, priority=5, replay=2,
        recipient=EmailRecipient(name="Ada", email="ada@example.com"), created_at=AT, queued_at=queued_at,
    )  # fmt: skip


@pytest.mark.parametrize("queued_at", [AT, None])
async def test_a_report_says_of_which_round_it_is_and_when_that_was_queued(queued_at: datetime | None) -> None:
    """None: the gateway is of the previous release."""
    broker = MemoryBroker(TOPOLOGY)
    await broker.start()
    heard: asyncio.Queue[StatusEvent] = asyncio.Queue()

    async def hear(incoming: IncomingMessage) -> None:
        events, _ = read_events(incoming.body)
        for event in events:
            heard.put_nowait(event)
        await incoming.ack()

    consumer = await broker.consume(STATUS_QUEUE, hear, prefetch=1)
    reporter, message = Reporter(broker), _message(queued_at)
    await reporter.report(message, DeliveryReport("retrying", attempts=1))
    event = await asyncio.wait_for(heard.get(), 10)
    assert (event.notification_id, event.replay, event.queued_at) == (message.notification_id, 2, queued_at)
    await reporter.close()
    await consumer.close()
    await broker.close()
