"""Creates, lists, finds, rotates and revokes API keys."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from chassis.audit import Actor, AuditTrail, Change, changed
from chassis.errors import Forbidden, field_error
from chassis.postgres.database import Database
from chassis.redis.cache import Invalidator
from chassis.security import Identity, api_key_cache, hash_api_key, new_api_key
from contracts.callers import ApiKeyInfo, identity_of_key
from contracts.services import API_KEY_READERS
from user_service.errors import ApiKeyNotFound, ApplicationNotFound
from user_service.repositories import api_keys, applications
from user_service.repositories.api_keys import KeyInUse, NewApiKey, StoredApiKey
from user_service.repositories.applications import ApplicationChanges
from user_service.repositories.audit import application_fields
from user_service.schemas.api_keys import ApiKeyRequest

log = structlog.get_logger()
FORMER_CACHE = "api-key"  # readers of the previous release use it; the next release removes it
SHOWN_CHARACTERS = 20  # "nk_live_" and the id, no part of the secret
LIFETIME = timedelta(days=365)


class ApiKeys:
    """Also serves as the ApiKeyDirectory of this service's own routes."""

    def __init__(self, database: Database, redis: Redis, audit: AuditTrail) -> None:
        self._database = database
        self._audit = audit
        names = (FORMER_CACHE, *map(api_key_cache, API_KEY_READERS))
        self._copies = [Invalidator(name, redis) for name in names]

    async def find(self, key: str) -> Identity | None:
        async with self._database.begin() as connection:
            found = await api_keys.use(connection, hash_api_key(key))
        return identity_of_key(_info(found)) if found is not None else None

    def remembers(self, key: str) -> bool:  # noqa: ARG002 - the directory's signature
        return False

    async def info(self, key_hash: str) -> ApiKeyInfo:
        """Raises ApiKeyNotFound, also for an expired key."""
        async with self._database.begin() as connection:
            found = await api_keys.use(connection, key_hash)
        if found is None:
            raise ApiKeyNotFound
        return _info(found)

    async def make(self, maker: Identity, request: ApiKeyRequest, actor: Actor) -> tuple[StoredApiKey, str]:
        """The stored key, and the key itself. Creates a new application if none is given.

        Raises ApplicationNotFound, and Forbidden for a scope that the maker lacks.
        """
        _check_scopes(maker, request.scopes)
        now = datetime.now(UTC)
        expires_at = request.expires_at or now + LIFETIME
        if not now < expires_at <= now + LIFETIME:
            raise field_error("expires_at", "must lie within a year from now")
        key = new_api_key(test=request.test)
        async with self._database.begin() as connection:
            application_id = await self._application(connection, maker, request, actor)
            stored = await api_keys.add(
                connection,
                _new(
                    maker,
                    key,
                    application_id=application_id,
                    name=request.name,
                    scopes=sorted(set(request.scopes)),
                    expires_at=expires_at,
                ),
            )
            await self._record_made(connection, actor, stored)
        log.info("api_key.created", api_key_id=str(stored.id), scopes=stored.scopes)
        return stored, key

    async def rotate(
        self, maker: Identity, key_id: UUID, actor: Actor, *, overlap: timedelta
    ) -> tuple[StoredApiKey, str]:
        """Replaces a key with a new one of the same lifetime. The old key stays valid for `overlap`.

        Raises ApiKeyNotFound, and Forbidden for a scope that the maker lacks.
        """
        now = datetime.now(UTC)
        async with self._database.begin() as connection:
            old = await api_keys.find(connection, key_id)
            if old is None:
                raise ApiKeyNotFound
            _check_scopes(maker, old.scopes)
            key = new_api_key(test=old.is_test)
            lifetime = LIFETIME if old.expires_at is None else min(LIFETIME, old.expires_at - old.created_at)
            stored = await api_keys.add(
                connection,
                _new(
                    maker,
                    key,
                    application_id=old.application_id,
                    name=old.name,
                    scopes=old.scopes,
                    expires_at=now + lifetime,
                ),
            )
            key_hash = await api_keys.end_at(connection, key_id, now + overlap)
            await self._record_made(connection, actor, stored)
            change = Change({"expires_at": old.expires_at}, {"expires_at": now + overlap, "replaced_by": stored.id})
            await self._audit.record(connection, actor, "api_key.rotated", f"api_key:{key_id}", change)
        await self.forget([key_hash] if key_hash else [])
        log.info("api_key.rotated", api_key_id=str(key_id), by=str(stored.id))
        return stored, key

    async def page(self, *, application_id: UUID | None, limit: int, offset: int) -> tuple[Sequence[StoredApiKey], int]:
        """One page of keys, of one application or of all, and the total number."""
        async with self._database.begin() as connection:
            found = await api_keys.page(connection, application_id=application_id, limit=limit, offset=offset)
            return found, await api_keys.count(connection, application_id=application_id)

    async def revoke(self, key_id: UUID, actor: Actor) -> None:
        """Raises ApiKeyNotFound."""
        async with self._database.begin() as connection:
            key_hash = await api_keys.remove(connection, key_id)
            if key_hash is None:
                raise ApiKeyNotFound
            await self._audit.record(connection, actor, "api_key.revoked", f"api_key:{key_id}")
        await self.forget([key_hash])
        log.info("api_key.revoked", api_key_id=str(key_id))

    async def forget(self, key_hashes: Sequence[str]) -> None:
        """Invalidates cached copies of keys. Call it after a commit that changed what the keys may do."""
        for copies in self._copies:
            await copies.forget(*key_hashes)

    async def _application(
        self, connection: AsyncConnection, maker: Identity, request: ApiKeyRequest, actor: Actor
    ) -> UUID:
        """The given application, or a new one with the key's name. Raises ApplicationNotFound."""
        if request.application_id is None:
            named = ApplicationChanges(name=request.name)
            made = await applications.add(connection, uuid7(), UUID(maker.user_id), named)
            change = changed({}, application_fields(made))
            await self._audit.record(connection, actor, "application.created", f"application:{made.id}", change)
            return made.id
        if await applications.find(connection, request.application_id) is None:
            raise ApplicationNotFound
        return request.application_id

    async def _record_made(self, connection: AsyncConnection, actor: Actor, made: StoredApiKey) -> None:
        after = {
            "name": made.name,
            "application_id": made.application_id,
            "scopes": made.scopes,
            "expires_at": made.expires_at,
        }
        await self._audit.record(connection, actor, "api_key.created", f"api_key:{made.id}", Change({}, after))


def _check_scopes(maker: Identity, scopes: Sequence[str]) -> None:
    if not all(maker.allows(scope) for scope in scopes):
        raise Forbidden("A key cannot have a scope that its maker lacks")


def _new(
    maker: Identity, key: str, *, application_id: UUID, name: str, scopes: Sequence[str], expires_at: datetime
) -> NewApiKey:
    return NewApiKey(
        id=uuid7(),
        user_id=UUID(maker.user_id),
        application_id=application_id,
        name=name,
        prefix=key[:SHOWN_CHARACTERS],
        key_hash=hash_api_key(key),
        scopes=tuple(scopes),
        expires_at=expires_at,
    )


def _info(found: KeyInUse) -> ApiKeyInfo:
    return ApiKeyInfo(
        id=found.key.id,
        user_id=found.key.user_id,
        scopes=tuple(found.key.scopes),
        expires_at=found.key.expires_at,
        application_id=found.key.application_id,
        rate_limit=found.rate_limit_per_minute,
        channels=None if found.channels is None else tuple(found.channels),
        test=found.key.is_test,
        sender=found.sender,
    )
