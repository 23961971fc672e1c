"""Status events to the gateway, published in groups with confirms."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from chassis.broker import Broker, Publication
from chassis.groupcommit import GroupCommit
from chassis.tracing import trace_headers
from contracts.messages import NotificationMessage, StatusEvent
from contracts.recipients import Channel
from contracts.topology import STATUS_KEY
from delivery.verdict import Verdict


class Reporter:
    """`report` returns when the broker has the event, and raises PublishFailed when it may not."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._group: GroupCommit[Publication, None] = GroupCommit(self._publish)

    async def report(self, message: NotificationMessage, verdict: Verdict) -> None:
        await self._tell(
            StatusEvent(
                notification_id=message.notification_id,
                notification_type=message.notification_type,
                correlation_id=message.correlation_id,
                status=verdict.status,
                code=verdict.code,
                detail=verdict.detail,
                provider_message_id=verdict.provider_message_id,
                attempts=verdict.attempts,
                replay=message.replay,
                at=datetime.now(UTC),
            )
        )

    async def report_unreadable(self, notification_id: UUID, channel: Channel, *, replay: int) -> None:
        """Of a message of ours that this version of the worker cannot read."""
        await self._tell(
            StatusEvent(
                notification_id=notification_id,
                notification_type=channel,
                status="failed",
                code="unreadable",
                replay=replay,
                at=datetime.now(UTC),
            )
        )

    async def _tell(self, event: StatusEvent) -> None:
        await self._group.submit(
            Publication(
                routing_key=STATUS_KEY,
                body=event.model_dump_json().encode(),
                message_id=f"{event.notification_id}:{event.replay}:{event.status}:{event.attempts}",
                correlation_id=event.correlation_id,
                headers=trace_headers(),
            )
        )

    async def close(self) -> None:
        await self._group.close()

    async def _publish(self, publications: Sequence[Publication]) -> list[None]:
        """One failure fails the group: its messages come again, find themselves in the ledger and report again."""
        for failure in await self._broker.publish_many(publications):
            if failure is not None:
                raise failure
        return [None] * len(publications)
