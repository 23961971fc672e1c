"""Encryption of personal values in the database. The keys are not in the database, so a dump alone reveals no value.

A value is sealed with AES-256-GCM for one column of one row; it does not open in any other place. Its text names its key:
`enc1:<key id>:<base64 of salt, number, ciphertext and tag>`. The column decides whether a value is sealed or plain; there
is no guessing. Either the plain form of the column cannot begin like a sealed value (JSON objects, hashes, masked
addresses), or sealed values have a second column (for free text, which may contain anything).
"""

import binascii
import re
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from hmac import digest
from itertools import count, pairwise
from secrets import token_bytes
from typing import Annotated, NamedTuple

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from prometheus_client import CollectorRegistry, Counter
from pydantic import AfterValidator, SecretStr

from chassis.errors import Unavailable

log = structlog.get_logger()

PREFIX = "enc1:"
PLAIN = "plain"  # as the first entry: new values are not sealed; sealed values can still be read
KEY_BYTES = 32
SALT_BYTES = 16
NUMBER_BYTES = 8
DIFFERENT_BYTES = 16  # 32 random bytes hardly ever have fewer than 26 different values
REMEMBERED_SECONDS = 60.0
_ENTRY = re.compile(r"([A-Za-z0-9_-]{1,32}):([A-Za-z0-9+/_-]+={0,2})")


class ValueUnreadable(Unavailable):
    """The value's key is not among ours, or the value was sealed for another place. `key_id` is None if it names no key."""

    code = "value_unreadable"
    message = "This is encrypted with a key that the service does not have; its operators have to give it back"

    def __init__(self, key_id: str | None = None) -> None:
        super().__init__(retry_after=60)
        self.key_id = key_id


class FreeText(NamedTuple):
    """A text that may contain anything, stored in two columns of which one is NULL."""

    plain: str | None
    sealed: str | None


class StoredBytes(NamedTuple):
    """Bytes that may be anything. `key`: the id of the key that they are sealed with; None: they are plain."""

    content: bytes
    key: str | None


class DataKeys:
    """The first of `keys` (id → 32 bytes) seals; all of them open. With `seals` False, values are written plain.

    Create it in the process that uses it: two copies of one object would use the same nonces. `on_unreadable` is called for
    each value that does not open.
    """

    def __init__(
        self,
        keys: Mapping[str, bytes] | None = None,
        *,
        seals: bool = True,
        on_unreadable: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = dict(keys or {})
        self.seals = seals and bool(self._keys)
        self.current_key = next(iter(self._keys)) if self.seals else None
        self._current = f"{PREFIX}{self.current_key}:" if self.seals else ""
        self._on_unreadable = on_unreadable
        self._clock = clock
        self._unreadable_at = float("-inf")
        # With random nonces a key would be safe for 2^32 values only, which is a few days under load. So each process derives
        # its own key from the operator's key and a salt, and numbers its values. The salt is stored with each value.
        self._salt = token_bytes(SALT_BYTES)
        self._numbers = count()
        self._cipher = _cipher(next(iter(self._keys.values())), self._salt) if self.seals else None

    @classmethod
    def parse(cls, text: str, *, on_unreadable: Callable[[], None] = lambda: None) -> "DataKeys":
        """Parses `id:base64,id2:base64`; `plain` first ends encryption. Raises ValueError, without key values."""
        entries = [entry.strip() for entry in text.split(",")] if text.strip() else []
        seals = entries[:1] != [PLAIN]
        keys: dict[str, bytes] = {}
        for number, entry in enumerate(entries if seals else entries[1:], start=1 if seals else 2):
            key_id, key = _parsed(number, entry)
            if key_id in keys or key in keys.values():
                raise ValueError(f"has an id or a key twice: {key_id}")
            keys[key_id] = key
        return cls(keys, seals=seals, on_unreadable=on_unreadable)

    def seal(self, column: str, row: object, value: str) -> str:
        """`value` sealed for `column` ("table.name") of the row `row`."""
        return self._current + binascii.b2a_base64(self._encrypt(column, row, value.encode()), newline=False).decode()

    def open(self, column: str, row: object, sealed: str) -> str:
        """The value of `sealed`. Raises ValueUnreadable, which is logged and counted."""
        _, _, named = sealed.partition(":")
        key_id, _, body = named.partition(":")
        try:
            return self._decrypt(column, row, key_id, binascii.a2b_base64(body, strict_mode=True)).decode()
        except (KeyError, ValueError, InvalidTag) as error:
            raise self._unreadable(column, row, key_id, error) from None

    def write_bytes(self, column: str, row: object, plain: bytes) -> StoredBytes:
        """For a column of bytes, beside which a second column has the key's id."""
        return StoredBytes(self._encrypt(column, row, plain) if self.seals else plain, self.current_key)

    def read_bytes(self, column: str, row: object, stored: StoredBytes) -> bytes:
        """The bytes that `write_bytes` stored, with any of the keys. Raises ValueUnreadable."""
        if stored.key is None:
            return stored.content
        try:
            return self._decrypt(column, row, stored.key, stored.content)
        except (KeyError, ValueError, InvalidTag) as error:
            raise self._unreadable(column, row, stored.key, error) from None

    def _encrypt(self, column: str, row: object, value: bytes) -> bytes:
        if self._cipher is None:
            raise RuntimeError("there is no key to seal with")
        number = next(self._numbers).to_bytes(NUMBER_BYTES, "big")
        return self._salt + number + self._cipher.encrypt(_nonce(number), value, _place(column, row))

    def _decrypt(self, column: str, row: object, key_id: str, raw: bytes) -> bytes:
        salt, rest = raw[:SALT_BYTES], raw[SALT_BYTES:]
        cipher = _cipher(self._keys[key_id], salt)
        return cipher.decrypt(_nonce(rest[:NUMBER_BYTES]), rest[NUMBER_BYTES:], _place(column, row))

    def _unreadable(self, column: str, row: object, key_id: str, error: Exception) -> ValueUnreadable:
        missing = isinstance(error, KeyError)
        hint = "DATA_ENCRYPTION_KEYS has no such key" if missing else "not sealed for this place, or with another key"
        log.error("data.unreadable", column=column, row=str(row), key=key_id, hint=hint)
        self._unreadable_at = self._clock()
        self._on_unreadable()
        return ValueUnreadable(key_id)

    def write(self, column: str, row: object, plain: str) -> str:
        """The text to store in a column whose plain form cannot begin like a sealed one."""
        return self.seal(column, row, plain) if self.seals else plain

    def read(self, column: str, row: object, stored: str) -> str:
        """The value that `write` stored, with any of the keys. Raises ValueUnreadable."""
        return self.open(column, row, stored) if stored.startswith(PREFIX) else stored

    def rewrite(self, column: str, row: object, stored: str) -> str:
        """The same value as `write` would store it now. Returns `stored` itself if it is current. Raises ValueUnreadable."""
        return stored if self.is_current(stored) else self.write(column, row, self.read(column, row, stored))

    def write_free(self, column: str, row: object, text: str | None) -> FreeText:
        if text is None or not self.seals:
            return FreeText(text, None)
        return FreeText(None, self.seal(column, row, text))

    def read_free(self, column: str, row: object, stored: FreeText) -> str | None:
        """Raises ValueUnreadable."""
        return stored.plain if stored.sealed is None else self.open(column, row, stored.sealed)

    def rewrite_free(self, column: str, row: object, stored: FreeText) -> FreeText:
        """Raises ValueUnreadable."""
        if stored.sealed is not None and self.is_current(stored.sealed):
            return stored
        return self.write_free(column, row, self.read_free(column, row, stored))

    def is_current(self, stored: str) -> bool:
        """Whether a value in a column for `write` is stored as `write` would store it now."""
        return stored.startswith(self._current) if self.seals else not stored.startswith(PREFIX)

    async def check(self) -> None:
        """For /health: raises ValueUnreadable if a value did not open within the last minute."""
        if self._clock() - self._unreadable_at < REMEMBERED_SECONDS:
            raise ValueUnreadable


def _validated(value: SecretStr | None) -> SecretStr | None:
    if value is not None:
        DataKeys.parse(value.get_secret_value())
    return value


DataKeysText = Annotated[SecretStr | None, AfterValidator(_validated)]  # the type of the services' setting


def data_keys(text: SecretStr | None, registry: CollectorRegistry) -> DataKeys:
    """The keys of a process, with the metric `data_unreadable_total`."""
    unreadable = Counter("data_unreadable_total", "Times an encrypted value could not be read", registry=registry)
    return DataKeys.parse("" if text is None else text.get_secret_value(), on_unreadable=unreadable.inc)


def _parsed(number: int, entry: str) -> tuple[str, bytes]:
    match = _ENTRY.fullmatch(entry)
    if match is None or match[1] == PLAIN:
        raise ValueError(f"takes id:key with commas between them, the key in base64; entry {number} is not so")
    key_id, text = match.groups()
    try:
        key = binascii.a2b_base64(text.replace("-", "+").replace("_", "/"), strict_mode=True)
    except binascii.Error:
        raise ValueError(f"has a key that is not base64: {key_id}") from None
    if len(key) != KEY_BYTES:
        raise ValueError(f"takes keys of {KEY_BYTES} bytes: {key_id} has {len(key)}")
    if _is_guessable(key):
        raise ValueError(f"takes random keys (openssl rand -base64 {KEY_BYTES}): {key_id} is not")
    return key_id, key


def _is_guessable(key: bytes) -> bool:
    """True for a text, few different bytes, a repeated piece, or bytes that count up."""
    steps = {(after - before) % 256 for before, after in pairwise(key)}
    return min(len(set(key)), len(steps)) <= DIFFERENT_BYTES or all(0x20 <= byte < 0x7F for byte in key)


@lru_cache(maxsize=1024)
def _cipher(key: bytes, salt: bytes) -> AESGCM:
    """The derived key of the process that used this salt."""
    return AESGCM(digest(key, salt, "sha256"))


def _nonce(number: bytes) -> bytes:
    return number.rjust(12, b"\0")


def _place(column: str, row: object) -> bytes:
    return f"{column}\0{row}".encode()
