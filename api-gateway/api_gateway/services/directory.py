"""Looks users and templates up: process memory (seconds), Redis (minutes), then their services over HTTP, in groups."""

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import TypeVar
from uuid import UUID

from pydantic import TypeAdapter
from redis.asyncio import Redis

from api_gateway.errors import TemplateNotFound, TemplateVersionNotFound, UserNotFound
from chassis.cache import LayeredCache
from chassis.errors import ServiceError
from chassis.http_client import ServiceClient
from contracts.finding import find_templates, texts_of, user_cache
from contracts.lookups import (
    MAX_TEMPLATE_QUESTION,
    TEMPLATE_CACHE,
    TEMPLATE_VERSION_CACHE,
    ActiveTemplate,
    TemplateInfo,
    TemplateQuestion,
    UserContact,
)
from contracts.messages import TemplateRef

# Memory is seconds, as another process's write cannot reach it; Redis is minutes, as the owner deletes there on write.
MEMORY_SECONDS = 5.0
REDIS_SECONDS = 300.0

Key = TypeVar("Key")
Value = TypeVar("Value")


class Directory:
    """Answers for many at once, and asks for many at once: a batch, or what single requests need at the same time."""

    def __init__(self, users: ServiceClient, templates: ServiceClient, redis: Redis) -> None:
        self._templates = templates
        self._users = user_cache(users, redis, memory_seconds=MEMORY_SECONDS)
        self._active = LayeredCache(
            TEMPLATE_CACHE,
            redis,
            TypeAdapter(ActiveTemplate),
            self._load_active,
            memory_seconds=MEMORY_SECONDS,
            redis_seconds=REDIS_SECONDS,
            max_size=MAX_TEMPLATE_QUESTION,
        )
        self._versions = LayeredCache(
            TEMPLATE_VERSION_CACHE,
            redis,
            TypeAdapter(TemplateInfo),
            self._load_outlines,
            memory_seconds=REDIS_SECONDS,  # a version never changes
            redis_seconds=REDIS_SECONDS,
            max_size=MAX_TEMPLATE_QUESTION,
        )

    def users(
        self, ids: Iterable[UUID], *, fresh: bool = False, urgent: bool = False
    ) -> Awaitable[dict[UUID, UserContact | ServiceError]]:
        """Each user, or why there is none: UserNotFound, or DependencyUnavailable when nothing is cached.

        `fresh`: what its service has changed a moment ago counts already; this process's memory is not asked. `urgent`: they
        wait for no group of others.
        """
        return _look_up(self._users, {str(one): one for one in ids}, UserNotFound, fresh=fresh, urgent=urgent)

    def templates(
        self, codes: Iterable[str], *, fresh: bool = False, urgent: bool = False
    ) -> Awaitable[dict[str, ActiveTemplate | ServiceError]]:
        """Each template, or why there is none: TemplateNotFound, or DependencyUnavailable when nothing is cached."""
        return _look_up(self._active, {code: code for code in codes}, TemplateNotFound, fresh=fresh, urgent=urgent)

    def versions(
        self, refs: Iterable[TemplateRef], *, urgent: bool = False
    ) -> Awaitable[dict[TemplateRef, TemplateInfo | ServiceError]]:
        """Each version, active or not, without its parts; TemplateVersionNotFound, DependencyUnavailable as above."""
        return _look_up(self._versions, {str(ref): ref for ref in refs}, TemplateVersionNotFound, urgent=urgent)

    async def _load_active(self, codes: Sequence[str]) -> Mapping[str, bytes]:
        return texts_of((await find_templates(self._templates, TemplateQuestion(active=tuple(codes)))).active)

    async def _load_outlines(self, names: Sequence[str]) -> Mapping[str, bytes]:
        question = TemplateQuestion(outlines=tuple(map(TemplateRef.named, names)))
        return texts_of((await find_templates(self._templates, question)).outlines)


async def _look_up(
    cache: LayeredCache[Value],
    keys: Mapping[str, Key],
    unknown: type[ServiceError],
    *,
    fresh: bool = False,
    urgent: bool = False,
) -> dict[Key, Value | ServiceError]:
    """What is no ServiceError is a defect, and raised."""
    found = await (cache.refresh_many if fresh else cache.get_many)(keys, urgent=urgent)
    told: dict[Key, Value | ServiceError] = {}
    for name, key in keys.items():
        outcome = found[name]
        if isinstance(outcome, Exception) and not isinstance(outcome, ServiceError):
            raise outcome
        told[key] = unknown() if outcome is None else outcome
    return told
