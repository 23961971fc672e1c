"""Users and templates, asked for in groups: what gateways and workers look them up with.

Raises DependencyUnavailable, also where the service is older than the question: nothing is known then, and nobody is
called unknown.
"""

from collections.abc import Mapping, Sequence

import orjson
from pydantic import TypeAdapter
from redis.asyncio import Redis

from chassis.cache import LayeredCache
from chassis.envelope import Envelope
from chassis.http_client import ServiceClient, found_of
from contracts.lookups import (
    MAX_USER_QUESTION,
    USER_CACHE,
    TemplateFindings,
    TemplateQuestion,
    UserContact,
    UserFindings,
)

USER_REDIS_SECONDS = 300.0

_USERS = TypeAdapter(Envelope[UserFindings])
_TEMPLATES = TypeAdapter(Envelope[TemplateFindings])


def user_cache(users: ServiceClient, redis: Redis, *, memory_seconds: float) -> LayeredCache[UserContact]:
    """By the text of the id."""

    async def load(ids: Sequence[str]) -> Mapping[str, bytes]:
        body = orjson.dumps({"ids": ids})
        return texts_of(found_of(_USERS, *await users.post("/internal/users/find", body)).users)

    return LayeredCache(
        USER_CACHE,
        redis,
        TypeAdapter(UserContact),
        load,
        memory_seconds=memory_seconds,
        redis_seconds=USER_REDIS_SECONDS,
        max_size=MAX_USER_QUESTION,
    )


async def find_templates(templates: ServiceClient, question: TemplateQuestion) -> TemplateFindings:
    body = question.model_dump_json(exclude_defaults=True).encode()
    return found_of(_TEMPLATES, *await templates.post("/internal/templates/find", body))


def texts_of(found: Mapping[str, object]) -> dict[str, bytes]:
    """As they are cached: a field that is newer than this process stays for whoever knows it."""
    return {key: orjson.dumps(value) for key, value in found.items()}
