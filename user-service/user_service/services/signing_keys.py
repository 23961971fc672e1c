"""The keys that access tokens are signed with.

ES256: kept in the database, so that replicas agree, with the private half encrypted under SECRET_KEY. HS256: SECRET_KEY.
"""

import asyncio
import base64
from collections.abc import Sequence
from typing import Protocol

import orjson
import structlog
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from chassis.database import Database
from chassis.security import Jwks, KeySource, SharedSecret, SigningKey, generate_es256_key, public_jwk
from user_service.repositories import signing_keys
from user_service.repositories.signing_keys import StoredSigningKey

log = structlog.get_logger()


class SigningKeys(Protocol):
    """`source` is what our own verification asks."""

    @property
    def source(self) -> KeySource: ...

    async def current(self) -> SigningKey:
        """The key to sign with. Raises Unavailable."""

    async def document(self) -> bytes:
        """The JWKS document: every public key a valid token may be signed with. Raises Unavailable."""


class SharedKey:
    """HS256. Nothing of it is public."""

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
    """ES256. The first process that needs a key makes it; with a new SECRET_KEY a new key is made, and the old ones'
    tokens stay good."""

    def __init__(self, database: Database, secret: str) -> None:
        self._database = database
        self._fernet = _fernet(secret)
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
            return self._current

    async def document(self) -> bytes:
        await self.current()
        async with self._database.begin() as connection:
            stored = await signing_keys.newest_first(connection)
        return orjson.dumps({"keys": [key.public_jwk for key in stored]})

    async def _load_or_make(self) -> SigningKey:
        async with self._database.begin() as connection:
            await signing_keys.lock(connection)
            readable = self._readable(await signing_keys.newest_first(connection))
            if readable is not None:
                return readable
            key = generate_es256_key()
            await signing_keys.add(connection, self._sealed(key))
        log.info("signing_key.made", kid=key.kid)
        return key

    def _readable(self, stored: Sequence[StoredSigningKey]) -> SigningKey | None:
        for key in stored:
            try:
                return SigningKey(key.kid, "ES256", self._fernet.decrypt(key.private_encrypted).decode())
            except InvalidToken:
                log.warning("signing_key.under_another_secret", kid=key.kid)
        return None

    def _sealed(self, key: SigningKey) -> StoredSigningKey:
        return StoredSigningKey(key.kid, public_jwk(key), self._fernet.encrypt(key.private.encode()).decode())


def _fernet(secret: str) -> Fernet:
    derived = HKDF(SHA256(), length=32, salt=None, info=b"user-service signing keys").derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
