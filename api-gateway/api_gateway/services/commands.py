"""What a caller may do to a notification afterwards: cancel it, try it again, report on it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from api_gateway.errors import NotCancellable, NotificationNotFound, NotRetryable
from api_gateway.repositories import progress
from api_gateway.schemas.answers import NotificationStory
from api_gateway.schemas.requests import StatusReport
from api_gateway.services.counting import GatewayMetrics
from api_gateway.services.reading import Reader
from api_gateway.services.reports import Reports
from chassis.database import Database
from chassis.security import Identity
from contracts.messages import StatusEvent
from contracts.recipients import Channel
from contracts.status import Status


class Commands:
    def __init__(self, database: Database, reader: Reader, reports: Reports, metrics: GatewayMetrics) -> None:
        self._database = database
        self._reader = reader
        self._reports = reports
        self._metrics = metrics

    async def cancel(self, notification_id: UUID, identity: Identity) -> NotificationStory:
        """Cancelling what is cancelled already succeeds. Raises NotificationNotFound, NotCancellable."""
        before = await self._reader.story(notification_id, identity)
        if before.status is Status.CANCELLED:
            return before
        async with self._database.begin() as connection:
            channel = await progress.cancel(connection, notification_id)
        if channel is None:
            raise NotCancellable
        self._metrics.moved(channel, Status.CANCELLED)
        return await self._reader.story(notification_id, identity)

    async def retry(self, notification_id: UUID, identity: Identity) -> NotificationStory:
        """Gives a failed or unknown notification a fresh budget. Raises NotificationNotFound, NotRetryable."""
        await self._reader.story(notification_id, identity)
        if not await self.replay([notification_id]):
            raise NotRetryable
        return await self._reader.story(notification_id, identity)

    async def replay(
        self, ids: Sequence[UUID] | None, *, channel: Channel | None = None, code: str | None = None, limit: int = 1_000
    ) -> int:
        """Re-drives failed notifications: those named (unknown ones too), or all that the filters let through.

        Returns how many.
        """
        async with self._database.begin() as connection:
            done = await progress.replay_failed(connection, ids=ids, channel=channel, code=code, largest=limit)
        return len(done)

    async def report(self, channel: Channel, report: StatusReport, identity: Identity) -> NotificationStory:
        """Applies a callback. One that is late, repeated or `pending` changes nothing, and is answered all the same."""
        notification_id = await self._reader.id_of(report.notification_id)
        before = await self._reader.story(notification_id, identity)
        if before.notification_type != channel:
            raise NotificationNotFound
        if report.status != "pending":
            event = StatusEvent(
                notification_id=notification_id,
                notification_type=channel,
                correlation_id=before.correlation_id,
                status=Status(report.status),
                code="reported_failed" if report.status == "failed" else None,
                detail=report.error,
                attempts=before.attempts,
                replay=before.replays,
                at=report.timestamp or datetime.now(UTC),
            )
            await self._reports.apply([event])
        return await self._reader.story(notification_id, identity)
