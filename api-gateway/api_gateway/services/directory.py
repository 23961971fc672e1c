"""Looks up users and templates; keeps the user service's last answers about keys for when it is down."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeVar
from uuid import UUID

from pydantic import TypeAdapter
from redis.asyncio import Redis

from api_gateway.errors import TemplateNotFound, TemplateVersionNotFound, UserNotFound
from api_gateway.repositories import identities
from chassis.errors import ServiceError, Unavailable
from chassis.http.client import ServiceClient
from chassis.postgres.database import Database
from chassis.redis.cache import LayeredCache
from contracts.messages import TemplateRef
from contracts.templates import (
    MAX_TEMPLATE_QUESTION,
    TEMPLATE_CACHE,
    TEMPLATE_VERSION_CACHE,
    ActiveTemplate,
    TemplateInfo,
    TemplateQuestion,
    find_templates,
)
from contracts.users import UserContact, texts_of, user_cache

# Entries in memory live for seconds, because another process's write cannot invalidate them. Entries in Redis live for
# minutes, because the owner invalidates them there on each write.
DIRECTORY_MEMORY_SECONDS = 5.0
DIRECTORY_REDIS_SECONDS = 300.0

Fetch = Callable[[], Awaitable[bytes | None]]
Key = TypeVar("Key")
Value = TypeVar("Value")


async def fetched_or_known(database: Database, key: str, fetch: Fetch) -> bytes | None:
    """The answer of `fetch`, which is stored under `key`; if `fetch` raises Unavailable, the last stored answer.

    The gateway stores the user service's last answers about API keys and signing keys in its own database. With them a known
    caller is served even while the user service and Redis are both down and this process has just started.

    None is an answer too ("no such key") and deletes the stored one. Raises Unavailable if no answer is stored.
    """
    try:
        answer = await fetch()
    except Unavailable:
        async with database.begin() as connection:
            known = await identities.recall(connection, key)
        if known is None:
            raise
        return known.encode()
    await _remember(database, key, answer)
    return answer


async def _remember(database: Database, key: str, answer: bytes | None) -> None:
    async with database.begin() as connection:
        if answer is None:
            await identities.forget(connection, key)
        else:
            await identities.remember(connection, key, answer.decode())


class Directory:
    """Looks up many at once: a whole batch, or the look-ups that single requests need at the same time."""

    def __init__(self, users: ServiceClient, templates: ServiceClient, redis: Redis) -> None:
        self._templates = templates
        self._users = user_cache(users, redis, memory_seconds=DIRECTORY_MEMORY_SECONDS)
        self._active = LayeredCache(
            TEMPLATE_CACHE,
            redis,
            TypeAdapter(ActiveTemplate),
            self._load_active,
            memory_seconds=DIRECTORY_MEMORY_SECONDS,
            redis_seconds=DIRECTORY_REDIS_SECONDS,
            max_size=MAX_TEMPLATE_QUESTION,
        )
        self._versions = LayeredCache(
            TEMPLATE_VERSION_CACHE,
            redis,
            TypeAdapter(TemplateInfo),
            self._load_outlines,
            memory_seconds=DIRECTORY_REDIS_SECONDS,  # a version never changes
            redis_seconds=DIRECTORY_REDIS_SECONDS,
            max_size=MAX_TEMPLATE_QUESTION,
        )

    def users(
        self, ids: Iterable[UUID], *, fresh: bool = False, urgent: bool = False
    ) -> Awaitable[dict[UUID, UserContact | ServiceError]]:
        """Each user, or the reason why there is none: UserNotFound, or DependencyUnavailable if it is not cached.

        `fresh`: bypasses this process's memory, so recent changes of the user count. `urgent`: the look-ups do not wait for
        a group of other look-ups.
        """
        return _look_up(self._users, {str(one): one for one in ids}, UserNotFound, fresh=fresh, urgent=urgent)

    def templates(
        self, codes: Iterable[str], *, fresh: bool = False, urgent: bool = False
    ) -> Awaitable[dict[str, ActiveTemplate | ServiceError]]:
        """Each template, or the reason why there is none: TemplateNotFound, or DependencyUnavailable if it is not cached."""
        return _look_up(self._active, {code: code for code in codes}, TemplateNotFound, fresh=fresh, urgent=urgent)

    def versions(
        self, refs: Iterable[TemplateRef], *, urgent: bool = False
    ) -> Awaitable[dict[TemplateRef, TemplateInfo | ServiceError]]:
        """Each version, active or not, without its parts; TemplateVersionNotFound, DependencyUnavailable as above."""
        return _look_up(self._versions, {str(ref): ref for ref in refs}, TemplateVersionNotFound, urgent=urgent)

    async def _load_active(self, codes: Sequence[str]) -> Mapping[str, bytes]:
        return texts_of((await find_templates(self._templates, TemplateQuestion(active=tuple(codes)))).active)

    async def _load_outlines(self, names: Sequence[str]) -> Mapping[str, bytes]:
        """An outline is a version without its parts: what it needs, and which channels it serves."""
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
    """Any exception that is not a ServiceError is a defect and is raised."""
    found = await (cache.refresh_many if fresh else cache.get_many)(keys, urgent=urgent)
    results: dict[Key, Value | ServiceError] = {}
    for name, key in keys.items():
        outcome = found[name]
        if isinstance(outcome, Exception) and not isinstance(outcome, ServiceError):
            raise outcome
        results[key] = unknown() if outcome is None else outcome
    return results
