"""How to reach a user: what the gateway asks for, and keeps copies of."""

from uuid import UUID

from pydantic import TypeAdapter
from redis.asyncio import Redis

from chassis.cache import LayeredCache
from chassis.database import Database
from contracts.lookups import USER_CACHE, UserContact
from contracts.recipients import Preferences, PushToken, WebPushKeys
from user_service.errors import UserNotFound
from user_service.repositories import push_tokens, users
from user_service.repositories.push_tokens import StoredPushToken


class Contacts:
    """`changed` is to be called after every commit that changed a user: the readers' copies go away."""

    def __init__(self, database: Database, redis: Redis) -> None:
        self._database = database
        # Only to forget: the readers decide how long they keep what they read.
        self._copies = LayeredCache(USER_CACHE, redis, TypeAdapter(UserContact), memory_seconds=1, redis_seconds=1)

    async def find(self, user_id: UUID) -> UserContact:
        """Raises UserNotFound."""
        async with self._database.begin() as connection:
            user = await users.find(connection, user_id)
            devices = await push_tokens.of_user(connection, user_id)
        if user is None:
            raise UserNotFound
        return UserContact(
            id=user.id,
            name=user.name,
            email=user.email,
            language=user.language,
            preferences=Preferences(email=user.wants_email, push=user.wants_push),
            push_tokens=tuple(_push_token(device) for device in devices),
        )

    async def changed(self, user_id: UUID) -> None:
        """Never fails: while Redis is away its copies are as unreachable as it is."""
        await self._copies.forget(str(user_id))


def _push_token(device: StoredPushToken) -> PushToken:
    keys = WebPushKeys(p256dh=device.p256dh, auth=device.auth) if device.p256dh and device.auth else None
    return PushToken(provider=device.provider, token=device.token, keys=keys)
