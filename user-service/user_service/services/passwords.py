"""Password hashes: argon2id for new ones. Old bcrypt hashes are still accepted.

Argon2id with 19 MiB, two passes and one lane is OWASP's first recommendation. It takes about 40 ms of a core, so it runs in
a few threads with a bounded queue: a flood of logins gets 503s, and the event loop is not blocked. New passwords are hashed
in a separate thread with its own queue, so that a flood of sign-ups does not block logins.
"""

import asyncio
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from passlib.context import CryptContext
from prometheus_client import CollectorRegistry, Histogram

from user_service.errors import HashingBusy

BCRYPT_BYTES = 72  # bcrypt ignores further bytes, and its library refuses them from version 5 on
CONTEXT = CryptContext(
    schemes=["argon2", "bcrypt"],
    deprecated=["bcrypt"],
    argon2__type="ID",
    argon2__memory_cost=19_456,
    argon2__time_cost=2,
    argon2__parallelism=1,
)
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Verification:
    """`current_hash` is the hash to store: a new one if the old one used an outdated scheme."""

    matches: bool
    current_hash: str = ""


class Passwords:
    """Verifies passwords in `workers` threads and hashes new ones in one thread. Close it after use.

    It raises HashingBusy when more than `waiting` calls wait for a thread.
    """

    def __init__(self, registry: CollectorRegistry, *, workers: int = 2, waiting: int = 50) -> None:
        self._verifying = _Threads("verify", workers, waiting)
        self._hashing = _Threads("hash", 1, waiting)
        self._dummy = self._hashing.submit(_dummy_hash)
        self._seconds = Histogram(
            "password_hash_seconds", "Seconds to make or verify one password hash", ["operation"], registry=registry
        )

    async def hash(self, password: str) -> str:
        """Raises HashingBusy."""
        return await self._hashing.run(lambda: self._hash(password))

    async def verify(self, password: str, stored: str | None) -> Verification:
        """Without a stored hash it does the same work and never matches: the time does not reveal whether an account exists.

        Raises HashingBusy.
        """
        return await self._verifying.run(lambda: self._verify(password, stored))

    def _verify(self, password: str, stored: str | None) -> Verification:
        if stored is None:
            self._matches(password.encode(), self._dummy.result())
            return Verification(matches=False)
        if CONTEXT.identify(stored) == "bcrypt" and len(password.encode()) > BCRYPT_BYTES:
            # The bytes after the 72nd were never checked, so they must not become part of a new hash.
            return Verification(self._matches(password.encode()[:BCRYPT_BYTES], stored), stored)
        matches = self._matches(password.encode(), stored)
        if matches and CONTEXT.needs_update(stored):
            return Verification(matches, self._hash(password))
        return Verification(matches, stored)

    def _matches(self, password: bytes, stored: str) -> bool:
        with self._seconds.labels("verify").time():
            return CONTEXT.verify(password, stored)

    def _hash(self, password: str) -> str:
        with self._seconds.labels("hash").time():
            return CONTEXT.hash(password)

    def close(self) -> None:
        self._verifying.close()
        self._hashing.close()


@cache
def _dummy_hash() -> str:
    """A hash that matches no password. Passwords for unknown accounts are compared with it."""
    return str(CONTEXT.hash(secrets.token_urlsafe()))


class _Threads:
    """`workers` threads with a queue of at most `waiting` calls."""

    def __init__(self, name: str, workers: int, waiting: int) -> None:
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix=f"password-{name}")
        self._free = threading.BoundedSemaphore(workers + waiting)

    def submit(self, work: Callable[[], Result]) -> Future[Result]:
        """Raises HashingBusy."""
        if not self._free.acquire(blocking=False):
            raise HashingBusy
        future = self._threads.submit(work)
        future.add_done_callback(lambda _: self._free.release())  # also when the request was cancelled
        return future

    async def run(self, work: Callable[[], Result]) -> Result:
        """Raises HashingBusy."""
        return await asyncio.wrap_future(self.submit(work))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
