"""Status events to the gateway. Events of the same moment share one message, which is published with confirms."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

from chassis.broker import Broker, Publication
from chassis.observability.tracing import headers_of, recorded_context
from chassis.process.batcher import Batcher
from contracts.messages import NotificationMessage, StatusEvent, StatusEvents
from contracts.recipients import Channel
from contracts.topology import STATUS_KEY
from delivery.decisions import DeliveryReport

MAX_EVENTS = 100  # in a message
PAUSE_SECONDS = 0.05  # between two messages


@dataclass(frozen=True, slots=True)
class _TracedEvent:
    """An event and its trace context; None if there is no trace, or if it is not recorded."""

    event: StatusEvent
    trace_context: str | None


class Reporter:
    """`report` returns when the broker has confirmed the event. It raises PublishFailed if it is not known that the broker
    has it.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._group: Batcher[_TracedEvent, None] = Batcher(self._publish, pause_seconds=PAUSE_SECONDS)

    async def report(self, message: NotificationMessage, report: DeliveryReport) -> None:
        await self._submit(
            StatusEvent(
                notification_id=message.notification_id,
                notification_type=message.notification_type,
                correlation_id=message.correlation_id,
                status=report.status,
                code=report.code,
                detail=report.detail,
                provider_message_id=report.provider_message_id,
                provider=report.provider,
                attempts=report.attempts,
                replay=message.replay,
                queued_at=message.queued_at,
                at=datetime.now(UTC),
                devices=report.devices,
                hold_id=report.hold_id,
            )
        )

    async def report_unreadable(self, notification_id: UUID, channel: Channel, *, replay: int) -> None:
        """Reports a message that this version of the worker cannot read."""
        await self._submit(
            StatusEvent(
                notification_id=notification_id,
                notification_type=channel,
                status="failed",
                code="unreadable",
                replay=replay,
                at=datetime.now(UTC),
            )
        )

    async def _submit(self, event: StatusEvent) -> None:
        await self._group.submit(_TracedEvent(event, recorded_context()))

    async def close(self) -> None:
        await self._group.close()

    async def _publish(self, events: Sequence[_TracedEvent]) -> list[None]:
        """One failure fails the whole group: its messages are redelivered, found in the ledger, and reported again."""
        for failure in await self._broker.publish_many(list(_publications(events))):
            if failure is not None:
                raise failure
        return [None] * len(events)


def _publications(events: Sequence[_TracedEvent]) -> Iterator[Publication]:
    """A traced event has its own message, whose headers carry the trace context."""
    untraced = [one.event for one in events if one.trace_context is None]
    for start in range(0, len(untraced), MAX_EVENTS):
        yield publication(untraced[start : start + MAX_EVENTS])
    for one in events:
        if one.trace_context is not None:
            yield publication([one.event], one.trace_context)


def publication(events: Sequence[StatusEvent], trace_context: str | None = None) -> Publication:
    """One message with these events of different notifications."""
    return Publication(
        routing_key=STATUS_KEY,
        body=StatusEvents(events=tuple(events)).model_dump_json(exclude_none=True).encode(),
        message_id=str(uuid4()),
        headers=headers_of(trace_context),
    )
