"""Tells the gateway about bounces. They wait in the database until the broker has confirmed their events."""

from datetime import UTC, datetime

from chassis.broker import Broker
from chassis.postgres.database import Database
from contracts.messages import StatusEvent
from delivery.reporting import publication
from email_service.bounces.processing import SOFT_DAYS
from email_service.repositories import bounces as repository
from email_service.repositories.bounces import Unreported

REPORT_SECONDS, CLEAN_SECONDS = 1.0, 3_600.0
MAX_BOUNCES = 100  # in a message
KEPT_DAYS = 30  # mail servers repeat for five days at most


class BounceReporter:
    """An event that is told twice changes nothing at the gateway. Raises DatabaseUnavailable and PublishFailed."""

    def __init__(self, database: Database, broker: Broker) -> None:
        self._database = database
        self._broker = broker

    async def run_once(self) -> int:
        async with self._database.begin() as connection:
            waiting = await repository.unreported(connection, largest=MAX_BOUNCES)
            if not waiting:
                return 0
            for failure in await self._broker.publish_many([publication([_event(one) for one in waiting])]):
                if failure is not None:
                    raise failure
            await repository.reported(connection, waiting)
        return len(waiting)

    async def clean(self) -> int:
        async with self._database.begin() as connection:
            return await repository.remove(connection, days=KEPT_DAYS, soft_days=SOFT_DAYS, largest=MAX_BOUNCES * 50)


def _event(bounce: Unreported) -> StatusEvent:
    """A complaint proves that the mail was delivered."""
    failed = bounce.kind == "failed"
    return StatusEvent(
        notification_id=bounce.notification_id,
        notification_type="email",
        status="failed" if failed else "delivered",
        code="bounced" if failed else "complained",
        detail=bounce.status or None,
        replay=bounce.replay,
        sent_at=bounce.sent_at,
        at=datetime.now(UTC),
        provider_timestamp=bounce.created_at,
    )
