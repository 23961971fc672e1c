"""Whom a notification goes to now: the user may have moved, or opted out, since it was accepted."""

from redis.asyncio import Redis

from chassis.http_client import DependencyUnavailable, ServiceClient
from contracts.finding import user_cache
from contracts.lookups import UserContact
from contracts.messages import NotificationMessage
from contracts.reaching import Unreachable, reach
from contracts.recipients import EmailRecipient, PushRecipient
from contracts.topology import URGENT
from delivery.outcomes import Suppressed

MEMORY_SECONDS = 2.0


class RecipientResolver:
    """The user service's word, through memory and Redis; the message's own copy while it cannot be asked, or is fixed."""

    def __init__(self, users: ServiceClient, redis: Redis) -> None:
        self._users = user_cache(users, redis, memory_seconds=MEMORY_SECONDS)

    async def of(self, message: NotificationMessage) -> EmailRecipient | PushRecipient | Suppressed:
        if message.fixed_recipient:
            return message.recipient
        key, urgent = str(message.user_id), message.priority >= URGENT
        try:
            reached = _reached(await self._users.get(key, urgent=urgent), message)
            if isinstance(reached, Unreachable):  # they may have changed their mind a moment ago
                reached = _reached(await self._users.refresh(key, urgent=urgent), message)
        except DependencyUnavailable:
            return message.recipient
        return Suppressed(reached.code) if isinstance(reached, Unreachable) else reached


def _reached(
    user: UserContact | None, message: NotificationMessage
) -> EmailRecipient | PushRecipient | Unreachable | Suppressed:
    return Suppressed("user_gone") if user is None else reach(user, message.notification_type)
