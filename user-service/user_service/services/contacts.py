"""How to reach a user: what gateways and workers ask for, and keep copies of."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

import orjson
from redis.asyncio import Redis

from chassis.cache import Invalidator
from chassis.database import Database
from contracts.lookups import USER_CACHE
from user_service.errors import UserNotFound
from user_service.repositories import contacts


class Contacts:
    """`changed` is to be called after every commit that changed a user: the readers' copies go away."""

    def __init__(self, database: Database, redis: Redis) -> None:
        self._database = database
        self._copies = Invalidator(USER_CACHE, redis)

    async def find(self, user_id: UUID) -> dict[str, Any]:
        """Raises UserNotFound."""
        found: dict[str, dict[str, Any]] = orjson.loads(await self.find_many([user_id]))
        if not found:
            raise UserNotFound
        return found[str(user_id)]

    async def find_many(self, user_ids: Collection[UUID]) -> str:
        """A JSON object with those of them that there are, by id."""
        async with self._database.autocommit() as connection:
            return await contacts.find(connection, user_ids)

    async def changed(self, *user_ids: UUID) -> None:
        """Never fails: while Redis is away its copies are as unreachable as it is."""
        await self._copies.forget(*map(str, user_ids))
