"""Commands on an accepted notification: cancel it, retry it, report its status."""

from datetime import UTC, datetime
from uuid import UUID

from api_gateway.errors import (
    NotCancellable,
    NotificationNotFound,
    NotRetryable,
    NotSentYet,
    TemplateVersionNotFound,
)
from api_gateway.repositories import progress
from api_gateway.repositories.audit import TRAIL
from api_gateway.repositories.progress import RetryFilter
from api_gateway.schemas.answers import NotificationDetail, StatusReported
from api_gateway.schemas.requests import StatusReport
from api_gateway.services.directory import Directory
from api_gateway.services.metrics import GatewayMetrics
from api_gateway.services.reading import Reader, is_recipient, visibility_of
from api_gateway.services.reports import Reports
from api_gateway.services.resolving import Resolution, resolve
from chassis.audit import Actor, Change
from chassis.errors import DependencyUnavailable, Forbidden, ServiceError
from chassis.postgres.database import Database
from chassis.security import Identity
from chassis.security.data_keys import DataKeys
from contracts.messages import StatusEvent
from contracts.recipients import Channel
from contracts.status import Status


class Commands:
    def __init__(
        self,
        database: Database,
        data_keys: DataKeys,
        *,
        directory: Directory,
        reader: Reader,
        reports: Reports,
        metrics: GatewayMetrics,
    ) -> None:
        self._database = database
        self._data_keys = data_keys
        self._directory = directory
        self._reader = reader
        self._reports = reports
        self._metrics = metrics

    async def cancel(self, notification_id: UUID, identity: Identity, actor: Actor) -> NotificationDetail:
        """Cancelling a cancelled notification succeeds. Raises NotificationNotFound, NotCancellable, and Forbidden for a
        recipient: only its caller may cancel it.
        """
        before = await self._reader.detail(notification_id, identity)
        if is_recipient(identity) and not await self._reader.was_sent_by(notification_id, identity):
            raise Forbidden("Only whoever sent a notification can cancel it")
        if before.status is Status.CANCELLED:
            return before
        async with self._database.begin() as connection:
            channel = await progress.cancel(connection, notification_id)
            if channel is None:
                raise NotCancellable
            await TRAIL.record(connection, actor, "notification.cancelled", _target(notification_id))
        self._metrics.count_transition(channel, Status.CANCELLED)
        return await self._reader.detail(notification_id, identity)

    async def retry(
        self, notification_id: UUID, identity: Identity, actor: Actor, *, template_version: int | None = None
    ) -> NotificationDetail:
        """Gives a failed or unknown notification a new budget of attempts, with `template_version` or the active version.

        Raises NotificationNotFound, NotRetryable, and the errors of `resolve`, with which it would only fail again.
        """
        await self._reader.detail(notification_id, identity)
        caller = visibility_of(identity).caller
        wanted = RetryFilter(ids=[notification_id], caller=caller, template_version=template_version)
        for resolution in await self._resolutions(wanted):
            if isinstance(resolution, ServiceError) and not isinstance(resolution, DependencyUnavailable):
                raise resolution
        async with self._database.begin() as connection:
            if not await progress.retry_ended(connection, wanted):
                raise NotRetryable
            change = Change({}, {"template_version": template_version} if template_version else {})
            await TRAIL.record(connection, actor, "notification.retried", _target(notification_id), change)
        return await self._reader.detail(notification_id, identity)

    async def retry_many(self, wanted: RetryFilter, actor: Actor) -> int:
        """Retries failed notifications: the named ones (also unknown ones), or all that match the filters.

        Returns how many. If one of them has no template of the named version, raises TemplateVersionNotFound and retries
        none. Any other error of a notification makes it fail again, visibly.
        """
        if wanted.template_version is not None:
            for resolution in await self._resolutions(wanted):
                if isinstance(resolution, TemplateVersionNotFound):
                    raise resolution
        async with self._database.begin() as connection:
            replayed = len(await progress.retry_ended(connection, wanted))
            if replayed:
                change = Change({}, {**_given_filters(wanted), "replayed": replayed})
                await TRAIL.record(connection, actor, "notifications.replayed", "notifications", change)
        return replayed

    async def _resolutions(self, wanted: RetryFilter) -> list[Resolution]:
        async with self._database.begin() as connection:
            candidates = await progress.candidates(connection, wanted, data_keys=self._data_keys)
        return await resolve(candidates, self._directory, [one.caller for one in candidates], fresh=True)

    async def take_callback(self, channel: Channel, report: StatusReport, identity: Identity) -> StatusReported:
        """Applies a callback to a notification of the caller's application. A late, repeated or `pending` report changes
        nothing and gets the same answer.

        Raises NotificationNotFound, AmbiguousRequestId, and NotSentYet if no provider can have the notification yet.
        """
        notification_id = await self._reader.id_of(report.notification_id, identity)
        before = await self._reader.detail(notification_id, identity)
        if before.notification_type != channel:
            raise NotificationNotFound
        async with self._database.begin() as connection:
            if await progress.is_with_gateway_only(connection, notification_id):
                raise NotSentYet
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
                at=datetime.now(UTC),
                provider_timestamp=report.timestamp,
            )
            await self._reports.apply([event])
        after = await self._reader.detail(notification_id, identity)
        return StatusReported(notification_id=notification_id, status=after.status)


def _target(notification_id: UUID) -> str:
    return f"notification:{notification_id}"


def _given_filters(wanted: RetryFilter) -> dict[str, object]:
    """The filters as they were given. Named notifications are only counted: the timeline of each shows its replay."""
    filters = {
        "caller": wanted.caller,
        "notification_type": wanted.channel,
        "error": wanted.code,
        "template_version": wanted.template_version,
        "named": None if wanted.ids is None else len(wanted.ids),
    }
    return {name: value for name, value in filters.items() if value is not None}
