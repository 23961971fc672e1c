"""The keys that sign access tokens.

ES256: keys are stored in the database, so that all replicas use the same ones; SECRET_KEY encrypts the private halves.
HS256: the key is SECRET_KEY.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import orjson
import structlog
from cryptography.fernet import InvalidToken

from chassis.audit import COMMAND, Actor
from chassis.errors import Conflict, Unavailable
from chassis.postgres.database import Database
from chassis.security import Jwks, KeySource, SharedSecret, SigningKey, generate_es256_key, public_jwk
from contracts.services import USER_SERVICE
from user_service.derived_keys import cipher
from user_service.repositories import signing_keys
from user_service.repositories.audit import audit_trail
from user_service.repositories.signing_keys import StoredSigningKey

log = structlog.get_logger()
ITSELF = Actor(f"service:{USER_SERVICE}")
RELOAD_SECONDS = 30.0  # the interval at which a process reads the keys again, for a newer one


class TooSoon(Conflict):
    code, message = (
        "too_soon",
        "The newest key is not in use yet, or there are too many keys; wait before making another one",
    )


class OtherSecret(Conflict):
    code, message = "other_secret", "The newest key is encrypted under another SECRET_KEY"


class SigningKeys(Protocol):
    """`source` is used by this service's own verification."""

    @property
    def source(self) -> KeySource: ...

    async def current(self) -> SigningKey:
        """The key to sign with. Raises Unavailable."""

    async def document(self) -> bytes:
        """The JWKS document: every public key a valid token may be signed with. Raises Unavailable."""


class SharedKey:
    """HS256. Nothing of it is published."""

    def __init__(self, secret: str) -> None:
        self._secret = SharedSecret(secret)

    @property
    def source(self) -> KeySource:
        return self._secret

    async def current(self) -> SigningKey:
        return self._secret.signing_key

    async def document(self) -> bytes:
        return orjson.dumps({"keys": []})


class StoredKeys:
    """ES256. The first process that needs a key makes it. After a change of SECRET_KEY a new key is made, and tokens of the
    old keys stay valid.
    """

    def __init__(self, database: Database, secret: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self.clock = clock
        self._loaded_at = float("-inf")
        self._foreign: set[str] = set()
        self._fernet = cipher(secret, "user-service signing keys")
        self._audit = audit_trail(secret)
        self._current: SigningKey | None = None
        self._loading = asyncio.Lock()
        self._source = Jwks(self.document)

    @property
    def source(self) -> KeySource:
        return self._source

    async def current(self) -> SigningKey:
        async with self._loading:
            if self._current is None:
                self._current = await self._load_or_make()
                self._loaded_at = self.clock()
            elif self.clock() - self._loaded_at >= RELOAD_SECONDS:
                self._loaded_at = self.clock()
                with contextlib.suppress(Unavailable):  # then the key in memory stays in use
                    self._current = await self._load() or self._current
            return self._current

    async def rotate(self) -> str:
        """Makes a key and returns its id. All processes sign with it once every reader can know it.

        Raises TooSoon if readers cannot know the previous key yet, and OtherSecret if the newest key is encrypted under
        another SECRET_KEY: it would no longer be published.
        """
        key = generate_es256_key()
        async with self._database.begin() as connection:
            await signing_keys.lock(connection)
            stored = await signing_keys.newest_first(connection)
            if (stored and not stored[0].known) or len(stored) >= signing_keys.MAX_KEYS:
                raise TooSoon
            if stored and self._opened(stored[0]) is None:
                raise OtherSecret
            await signing_keys.add(connection, self._sealed(key))
            await self._audit.record(connection, COMMAND, "signing_key.rotated", f"signing_key:{key.kid}")
        log.info("signing_key.rotated", kid=key.kid)
        return key.kid

    async def document(self) -> bytes:
        await self.current()
        async with self._database.begin() as connection:
            stored = await signing_keys.newest_first(connection)
        return orjson.dumps({"keys": [key.public_jwk for key in stored]})

    async def _load(self) -> SigningKey | None:
        async with self._database.begin() as connection:
            return self._readable(await signing_keys.newest_first(connection))

    async def _load_or_make(self) -> SigningKey:
        async with self._database.begin() as connection:
            await signing_keys.lock(connection)
            readable = self._readable(await signing_keys.newest_first(connection))
            if readable is not None:
                return readable
            key = generate_es256_key()
            await signing_keys.add(connection, self._sealed(key))
            await self._audit.record(connection, ITSELF, "signing_key.created", f"signing_key:{key.kid}")
        log.info("signing_key.created", kid=key.kid)
        return key

    def _readable(self, stored: Sequence[StoredSigningKey]) -> SigningKey | None:
        """The newest key that every reader can know. If there is none, the oldest of the newer ones."""
        readable = [opened for key in stored if (opened := self._opened(key)) is not None]
        return next((key for key, known in readable if known), readable[-1][0] if readable else None)

    def _opened(self, key: StoredSigningKey) -> tuple[SigningKey, bool] | None:
        try:
            private = self._fernet.decrypt(key.private_encrypted).decode()
        except InvalidToken:
            if key.kid not in self._foreign:
                self._foreign.add(key.kid)
                log.warning("signing_key.undecryptable", kid=key.kid)
            return None
        return SigningKey(key.kid, "ES256", private), key.known

    def _sealed(self, key: SigningKey) -> StoredSigningKey:
        return StoredSigningKey(key.kid, public_jwk(key), self._fernet.encrypt(key.private.encode()).decode())
