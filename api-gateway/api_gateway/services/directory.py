"""Looks users and templates up: process memory (seconds), Redis (minutes), then their services over HTTP."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable
from functools import partial
from typing import TypeVar
from urllib.parse import quote
from uuid import UUID

from pydantic import TypeAdapter
from redis.asyncio import Redis

from api_gateway.errors import TemplateNotFound, TemplateVersionNotFound, UserNotFound
from chassis.cache import LayeredCache
from chassis.envelope import Envelope
from chassis.errors import ServiceError
from chassis.http_client import ServiceClient, data_of
from contracts.lookups import (
    TEMPLATE_CACHE,
    TEMPLATE_VERSION_CACHE,
    USER_CACHE,
    ActiveTemplate,
    TemplateInfo,
    UserContact,
)
from contracts.messages import TemplateRef

# Memory is seconds, as another process's write cannot reach it; Redis is minutes, as the owner deletes there on write.
MEMORY_SECONDS = 5.0
REDIS_SECONDS = 300.0

_USER = TypeAdapter(Envelope[UserContact])
_TEMPLATE = TypeAdapter(Envelope[ActiveTemplate])
_VERSION = TypeAdapter(Envelope[TemplateInfo])

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Directory:
    """Answers for many at once: a batch of a thousand to one template asks for it once."""

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
        self._version_cache = LayeredCache(
            TEMPLATE_VERSION_CACHE,
            redis,
            TypeAdapter(TemplateInfo),
            memory_seconds=REDIS_SECONDS,  # a version never changes
            redis_seconds=REDIS_SECONDS,
        )

    def users(self, ids: Iterable[UUID], *, fresh: bool = False) -> Awaitable[dict[UUID, UserContact | ServiceError]]:
        """Each user, or why there is none: UserNotFound, or DependencyUnavailable when nothing is cached.

        `fresh`: what its service has changed a moment ago counts already; this process's memory is not asked.
        """
        return _gather(ids, self._user_cache, self._load_user, fresh=fresh)

    def templates(
        self, codes: Iterable[str], *, fresh: bool = False
    ) -> Awaitable[dict[str, ActiveTemplate | ServiceError]]:
        """Each template, or why there is none: TemplateNotFound, or DependencyUnavailable when nothing is cached."""
        return _gather(codes, self._template_cache, self._load_template, fresh=fresh)

    def versions(self, refs: Iterable[TemplateRef]) -> Awaitable[dict[TemplateRef, TemplateInfo | ServiceError]]:
        """Each version, active or not, without its parts; TemplateVersionNotFound, DependencyUnavailable as above."""
        return _gather(refs, self._version_cache, self._load_version)

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

    async def _load_version(self, ref: TemplateRef) -> TemplateInfo:
        path = f"/internal/templates/{quote(ref.code, safe='')}"
        answered = await self._templates.get(path, {"version": str(ref.version), "language": ref.language})
        found = data_of(_VERSION, *answered)
        if found is None:
            raise TemplateVersionNotFound
        return found.outline


async def _gather(
    keys: Iterable[Key],
    cache: LayeredCache[Value],
    load: Callable[[Key], Awaitable[Value]],
    *,
    fresh: bool = False,
) -> dict[Key, Value | ServiceError]:
    """From memory without waiting, the rest at once. What is no ServiceError is a defect, and raised."""
    found: dict[Key, Value | ServiceError] = {}
    missing: list[Key] = []
    for key in keys:
        value = None if fresh else cache.remembered(str(key))
        if value is None:
            missing.append(key)
        else:
            found[key] = value
    if missing:
        look_up = cache.refresh if fresh else cache.get
        loads = (look_up(str(key), partial(load, key)) for key in missing)
        for key, outcome in zip(missing, await asyncio.gather(*loads, return_exceptions=True), strict=True):
            if isinstance(outcome, BaseException) and not isinstance(outcome, ServiceError):
                raise outcome
            found[key] = outcome
    return found
