"""Authenticates callers in services that do not own users: with access tokens and API keys.

Access tokens are verified with the user service's key set; API keys are looked up. Nothing is requested at the start: a
service starts, and serves known callers, while the user service is down.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

import orjson
from pydantic import TypeAdapter
from redis.asyncio import Redis

from chassis.errors import DependencyUnavailable
from chassis.http.client import ServiceClient, data_of
from chassis.http.envelope import Envelope
from chassis.redis.rate_limit import LocalRateLimiter, Quota
from chassis.security import (
    Authenticator,
    Identity,
    Jwks,
    KeySource,
    RemoteApiKeys,
    RevokedTokens,
    Sender,
    SharedSecret,
    TokenVerifier,
    identity_json,
)
from chassis.security.service_keys import ServiceKey
from contracts.recipients import Channel, Contract

ACCESS_ISSUER = "user-service"
ACCESS_AUDIENCE = "notification-system"

Scope = Literal[
    "admin",
    "notifications:read",
    "notifications:write",
    "notifications:urgent",
    "status:write",
    "templates:read",
    "templates:write",
    "users:read",
    "users:write",
]
SCOPES: tuple[str, ...] = get_args(Scope)


class ApiKeyInfo(Contract):
    """The response to `POST /internal/api-keys/find` with a key's hash: its owner, application and rights."""

    id: UUID
    user_id: UUID
    scopes: tuple[str, ...] = ()
    expires_at: datetime | None = None
    application_id: UUID | None = None
    rate_limit: int | None = None
    channels: tuple[Channel, ...] | None = None
    test: bool = False
    sender: Sender | None = None


Ask = Callable[[], Awaitable[bytes | None]]
# Caches responses, and may return the last one if the request raises Unavailable.
Keep = Callable[[str, Ask], Awaitable[bytes | None]]

# Of one address, in this process. Above it only keys in memory are accepted from that address. A valid key stays there for
# five seconds (API_KEY_MEMORY_SECONDS), so a low limit would soon refuse valid keys that share the address.
UNKNOWN_KEYS_PER_MINUTE = 600

_API_KEY = TypeAdapter(Envelope[ApiKeyInfo])


async def keep_nothing(_key: str, ask: Ask) -> bytes | None:
    return await ask()


def build_authenticator(
    users: ServiceClient, redis: Redis, key: ServiceKey, *, shared_secret: str | None, keep: Keep = keep_nothing
) -> Authenticator:
    """With `shared_secret`, tokens are verified with it (HS256). Without it, with the user service's JWKS (ES256).

    API keys that are cached in Redis are encrypted with the service's own `key`.
    """
    source: KeySource = SharedSecret(shared_secret) if shared_secret is not None else Jwks(_key_set(users, keep))
    tokens = TokenVerifier([source], issuer=ACCESS_ISSUER, audience=ACCESS_AUDIENCE)
    api_keys = RemoteApiKeys(lambda digest: keep(f"api_key:{digest}", lambda: find_api_key(users, digest)), redis, key)
    strangers = LocalRateLimiter(Quota(UNKNOWN_KEYS_PER_MINUTE, 60))
    return Authenticator(tokens, api_keys, RevokedTokens(redis), unknown_keys=strangers)


def _key_set(users: ServiceClient, keep: Keep) -> Callable[[], Awaitable[bytes]]:
    async def fetch() -> bytes:
        document = await keep("jwks", lambda: fetch_key_set(users))
        if document is None:
            raise DependencyUnavailable("the user service has no key set")
        return document

    return fetch


async def fetch_key_set(users: ServiceClient) -> bytes:
    status, document = await users.get("/.well-known/jwks.json")
    if status != 200:
        raise DependencyUnavailable(f"the key set was answered with {status}")
    return document


async def find_api_key(users: ServiceClient, digest: str) -> bytes | None:
    """The identity of the key with that hash, as JSON. None if the user service does not know it. Raises Unavailable."""
    status, body = await users.post("/internal/api-keys/find", orjson.dumps({"hash": digest}))
    info = data_of(_API_KEY, status, body)
    if info is None:
        return None
    return identity_json(identity_of_key(info))


def identity_of_key(info: ApiKeyInfo) -> Identity:
    return Identity(
        "api_key",
        str(info.id),
        str(info.user_id),
        "user",
        frozenset(info.scopes),
        expires_at=None if info.expires_at is None else info.expires_at.timestamp(),
        application_id=None if info.application_id is None else str(info.application_id),
        rate_limit=info.rate_limit,
        channels=None if info.channels is None else frozenset(info.channels),
        test=info.test,
        sender=info.sender,
    )
