"""Messages from the queue: reading them, and refusing those that this version of the worker cannot read."""

from uuid import UUID

import orjson
import structlog
from pydantic import ValidationError

from chassis.broker import IncomingMessage
from contracts.messages import NotificationMessage
from contracts.recipients import Channel
from delivery.ledger import Ledger
from delivery.reporting import Reporter

log = structlog.get_logger()

MAX_REPLAYS = 2**31


def read_message(incoming: IncomingMessage, channel: Channel) -> NotificationMessage | None:
    """None: the message cannot be read, or is for another channel. Both are reported as `unreadable`."""
    try:
        message = NotificationMessage.model_validate_json(incoming.body)
    except ValidationError as error:
        log.warning("delivery.unreadable", message_id=incoming.message_id, problems=error.error_count())
        return None
    if message.notification_type == channel:
        return message
    log.warning("delivery.wrong_channel", message_id=incoming.message_id, notification_type=message.notification_type)
    return None


async def reject_unreadable(incoming: IncomingMessage, channel: Channel, *, ledger: Ledger, reporter: Reporter) -> None:
    """Moves the message to failed.queue, byte for byte, and reports its notification as failed.

    Without the report the gateway would publish the notification again and again. A notification that is in the ledger
    is not reported: a worker that could read it is working on it, or has sent it.
    """
    notification_id, replay = _uuid(incoming.message_id), _replay(incoming.body)
    if notification_id is not None and not await ledger.has(notification_id, replay):
        await reporter.report_unreadable(notification_id, channel, replay=replay)
    await incoming.reject()


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _replay(body: bytes) -> int:
    """The round of an otherwise unreadable message: the failure of an older round does not count."""
    try:
        replay = orjson.loads(body)["replay"]
    except (ValueError, KeyError, TypeError):
        return 0
    return replay if isinstance(replay, int) and 0 <= replay < MAX_REPLAYS else 0
