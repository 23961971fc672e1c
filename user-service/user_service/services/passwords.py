"""Password hashes: argon2id for new ones, bcrypt still understood.

Argon2id with 19 MiB, two passes and one lane is OWASP's first recommendation; it costs about 40 ms of a core, so it runs in
a few threads with a bounded queue: a flood of logins gets 503s, and the event loop goes on.
"""

import asyncio
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from passlib.context import CryptContext
from prometheus_client import CollectorRegistry, Histogram

from user_service.errors import HashingBusy

BCRYPT_BYTES = 72  # it never looked at more; from version 5 on its library refuses more
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Verification:
    """`current_hash` is the hash to keep: a newer one where the old was of an older kind."""

    matches: bool
    current_hash: str = ""


class Passwords:
    """Hashes and verifies in `workers` threads; HashingBusy when more than `waiting` wait. Close it after use."""

    def __init__(self, registry: CollectorRegistry, *, workers: int = 2, waiting: int = 50) -> None:
        self._context = CryptContext(
            schemes=["argon2", "bcrypt"],
            deprecated=["bcrypt"],
            argon2__type="ID",
            argon2__memory_cost=19_456,
            argon2__time_cost=2,
            argon2__parallelism=1,
        )
        self._nobodys = self._context.hash(secrets.token_urlsafe())
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="password")
        self._places = threading.BoundedSemaphore(workers + waiting)
        self._seconds = Histogram(
            "password_hash_seconds", "Time to make or verify one hash", ["operation"], registry=registry
        )

    async def hash(self, password: str) -> str:
        """Raises HashingBusy."""
        return await self._in_thread("hash", lambda: self._context.hash(password))

    async def verify(self, password: str, stored: str | None) -> Verification:
        """Without a stored hash it does the same work and says no: time does not tell who exists. Raises HashingBusy."""
        return await self._in_thread("verify", lambda: self._verify(password, stored))

    def _verify(self, password: str, stored: str | None) -> Verification:
        if stored is None:
            self._context.verify(password, self._nobodys)
            return Verification(matches=False)
        if self._context.identify(stored) == "bcrypt" and len(password.encode()) > BCRYPT_BYTES:
            # The bytes after the 72nd were never checked, so they must not become part of a new hash either.
            return Verification(self._context.verify(password.encode()[:BCRYPT_BYTES], stored), stored)
        matches, replacement = self._context.verify_and_update(password, stored)
        return Verification(matches, replacement or stored)

    async def _in_thread(self, operation: str, work: Callable[[], Result]) -> Result:
        if not self._places.acquire(blocking=False):
            raise HashingBusy
        future = self._threads.submit(self._seconds.labels(operation).time()(work))
        future.add_done_callback(lambda _: self._places.release())  # also when the request was cancelled
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
