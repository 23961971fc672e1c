"""API keys: made, listed, found, revoked."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import structlog
from redis.asyncio import Redis
from uuid_utils.compat import uuid7

from chassis.cache import Invalidator
from chassis.database import Database
from chassis.errors import Forbidden, field_error
from chassis.security import API_KEY_CACHE, Identity, hash_api_key, new_api_key
from contracts.lookups import ApiKeyInfo
from user_service.errors import ApiKeyNotFound
from user_service.repositories import api_keys
from user_service.repositories.api_keys import NewApiKey, StoredApiKey
from user_service.schemas.api_keys import ApiKeyRequest

log = structlog.get_logger()
PREFIX_CHARACTERS = 11  # "nk_" and 8 of 43: enough to recognise a key by, and 208 bits stay unknown


class ApiKeys:
    """Also the ApiKeyDirectory of this service's own routes."""

    def __init__(self, database: Database, redis: Redis) -> None:
        self._database = database
        self._copies = Invalidator(API_KEY_CACHE, redis)

    async def find(self, key: str) -> Identity | None:
        async with self._database.begin() as connection:
            stored = await api_keys.use(connection, hash_api_key(key))
        if stored is None:
            return None
        return Identity("api_key", str(stored.id), str(stored.user_id), role="user", scopes=frozenset(stored.scopes))

    def remembers(self, key: str) -> bool:  # noqa: ARG002 - the directory's signature
        return False

    async def info(self, key_hash: str) -> ApiKeyInfo:
        """Raises ApiKeyNotFound, for an expired key too."""
        async with self._database.begin() as connection:
            stored = await api_keys.use(connection, key_hash)
        if stored is None:
            raise ApiKeyNotFound
        return ApiKeyInfo(
            id=stored.id, user_id=stored.user_id, scopes=tuple(stored.scopes), expires_at=stored.expires_at
        )

    async def make(self, maker: Identity, request: ApiKeyRequest) -> tuple[StoredApiKey, str]:
        """The stored key and the key itself. Raises Forbidden for a scope that the maker lacks."""
        if not all(maker.allows(scope) for scope in request.scopes):
            raise Forbidden("A key cannot have a scope that its maker lacks")
        if request.expires_at and request.expires_at <= datetime.now(UTC):
            raise field_error("expires_at", "must be in the future")
        key = new_api_key()
        async with self._database.begin() as connection:
            stored = await api_keys.add(connection, _new(key, UUID(maker.user_id), request))
        log.info("api_key.made", api_key_id=str(stored.id), scopes=stored.scopes)
        return stored, key

    async def page(self, *, limit: int, offset: int) -> tuple[Sequence[StoredApiKey], int]:
        """One page, and how many there are."""
        async with self._database.begin() as connection:
            return await api_keys.page(connection, limit=limit, offset=offset), await api_keys.count(connection)

    async def revoke(self, key_id: UUID) -> None:
        """Raises ApiKeyNotFound."""
        async with self._database.begin() as connection:
            key_hash = await api_keys.remove(connection, key_id)
        if key_hash is None:
            raise ApiKeyNotFound
        await self.forget([key_hash])
        log.info("api_key.revoked", api_key_id=str(key_id))

    async def forget(self, key_hashes: Sequence[str]) -> None:
        """After a commit that removed keys: the readers' copies go away."""
        for key_hash in key_hashes:
            await self._copies.forget(key_hash)


def _new(key: str, owner: UUID, request: ApiKeyRequest) -> NewApiKey:
    return NewApiKey(
        id=uuid7(),
        user_id=owner,
        name=request.name,
        prefix=key[:PREFIX_CHARACTERS],
        key_hash=hash_api_key(key),
        scopes=tuple(sorted(set(request.scopes))),
        expires_at=request.expires_at,
    )
