"""Looks users and templates up: process memory (seconds), Redis (minutes), then their services over HTTP."""

from urllib.parse import quote
from uuid import UUID

from pydantic import TypeAdapter
from redis.asyncio import Redis

from api_gateway.errors import TemplateNotFound, UserNotFound
from chassis.cache import LayeredCache
from chassis.envelope import Envelope
from chassis.http_client import ServiceClient, data_of
from contracts.lookups import TEMPLATE_CACHE, USER_CACHE, ActiveTemplate, UserContact

# Memory is seconds, as another process's write cannot reach it; Redis is minutes, as the owner deletes there on write.
MEMORY_SECONDS = 5.0
REDIS_SECONDS = 300.0

_USER = TypeAdapter(Envelope[UserContact])
_TEMPLATE = TypeAdapter(Envelope[ActiveTemplate])


class Directory:
    """Raises `UserNotFound`, `TemplateNotFound`, or `DependencyUnavailable` when the owner is away and nothing is cached."""

    def __init__(self, users: ServiceClient, templates: ServiceClient, redis: Redis) -> None:
        self._users = users
        self._templates = templates
        self._user_cache = LayeredCache(
            USER_CACHE, redis, TypeAdapter(UserContact), memory_seconds=MEMORY_SECONDS, redis_seconds=REDIS_SECONDS
        )
        self._template_cache = LayeredCache(
            TEMPLATE_CACHE,
            redis,
            TypeAdapter(ActiveTemplate),
            memory_seconds=MEMORY_SECONDS,
            redis_seconds=REDIS_SECONDS,
        )

    async def user(self, user_id: UUID) -> UserContact:
        return await self._user_cache.get(str(user_id), lambda: self._load_user(user_id))

    async def template(self, code: str) -> ActiveTemplate:
        return await self._template_cache.get(code, lambda: self._load_template(code))

    async def _load_user(self, user_id: UUID) -> UserContact:
        user = data_of(_USER, *await self._users.get(f"/internal/users/{user_id}"))
        if user is None:
            raise UserNotFound
        return user

    async def _load_template(self, code: str) -> ActiveTemplate:
        template = data_of(_TEMPLATE, *await self._templates.get(f"/internal/templates/{quote(code, safe='')}/active"))
        if template is None:
            raise TemplateNotFound
        return template
