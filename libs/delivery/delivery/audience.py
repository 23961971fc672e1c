"""Whom a notification goes to now: the user may have moved, or opted out, since it was accepted."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from pydantic import TypeAdapter
from redis.asyncio import Redis

from chassis.cache import LayeredCache
from chassis.envelope import Envelope
from chassis.http_client import DependencyUnavailable, ServiceClient, data_of
from contracts.lookups import USER_CACHE, UserContact
from contracts.messages import NotificationMessage
from contracts.reaching import Unreachable, reach
from contracts.recipients import EmailRecipient, PushRecipient
from delivery.outcomes import Suppressed

MEMORY_SECONDS = 2.0
REDIS_SECONDS = 300.0
_ANSWER = TypeAdapter(Envelope[UserContact])
LookUp = Callable[[str, Callable[[], Awaitable[UserContact]]], Awaitable[UserContact]]


class _UserGone(Exception):
    pass


class Audience:
    """The user service's word, through memory and Redis; the message's own copy while it cannot be asked."""

    def __init__(self, users: ServiceClient, redis: Redis) -> None:
        self._users = users
        self._cache = LayeredCache(
            USER_CACHE, redis, TypeAdapter(UserContact), memory_seconds=MEMORY_SECONDS, redis_seconds=REDIS_SECONDS
        )

    async def of(self, message: NotificationMessage) -> EmailRecipient | PushRecipient | Suppressed:
        try:
            reached = await self._reach(message, self._cache.get)
            if isinstance(reached, Unreachable):  # they may have changed their mind a moment ago
                reached = await self._reach(message, self._cache.refresh)
        except DependencyUnavailable:
            return message.recipient
        except _UserGone:
            return Suppressed("user_gone")
        return Suppressed(reached.code) if isinstance(reached, Unreachable) else reached

    async def _reach(
        self, message: NotificationMessage, look_up: LookUp
    ) -> EmailRecipient | PushRecipient | Unreachable:
        user = await look_up(str(message.user_id), lambda: self._load(message.user_id))
        return reach(user, message.notification_type)

    async def _load(self, user_id: UUID) -> UserContact:
        status, body = await self._users.get(f"/internal/users/{user_id}")
        user = data_of(_ANSWER, status, body)
        if user is None:
            raise _UserGone
        return user
