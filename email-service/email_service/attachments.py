"""The attachments of mails: fetched from the gateway right before sending, in a bounded amount of memory."""

import asyncio
import binascii
from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import orjson

from chassis.errors import DependencyUnavailable
from chassis.http.client import ServiceClient
from chassis.process.single_flight import SingleFlight
from contracts.emails import ATTACHMENT_NOT_FOUND, AttachmentRef
from delivery.channel import AttachmentGone

MAX_WAIT_SECONDS = 60.0  # then the delivery waits in the ledger instead, as without a free slot
REMEMBERED_BYTES = 8 * 1024 * 1024  # of cached contents: a file of many notifications is fetched once
IN_THE_LOOP_BYTES = 65_536
LINE = 76


class LoadedAttachment(NamedTuple):
    """An attachment and its content, encoded in base64 as in the mail."""

    ref: AttachmentRef
    body: bytes


class ByteLimit:
    """At most `limit` bytes at a time, first come, first served. A larger request takes all of them."""

    def __init__(self, limit: int) -> None:
        self._limit = self._free = limit
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, size: int) -> int:
        """Returns the number of bytes to give back."""
        size = min(size, self._limit)
        if not self._waiting and size <= self._free:
            self._free -= size
            return size
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append((size, waiter))
        try:
            await waiter
        except asyncio.CancelledError:
            self.give_back(0 if waiter.cancelled() else size)
            raise
        return size

    def give_back(self, size: int) -> None:
        self._free += size
        while self._waiting and (self._waiting[0][1].done() or self._waiting[0][0] <= self._free):
            wanted, waiter = self._waiting.popleft()
            if not waiter.done():
                self._free -= wanted
                waiter.set_result(None)


class AttachmentStore:
    """Loads contents from `gateway`. They count against `budget` until the mail is sent."""

    def __init__(self, gateway: ServiceClient, *, budget: ByteLimit) -> None:
        self._gateway = gateway
        self._budget = budget
        self._fetches: SingleFlight[UUID, bytes] = SingleFlight()
        self._remembered: OrderedDict[str, bytes] = OrderedDict()
        self._remembered_bytes = 0

    async def reserve(self, refs: Sequence[AttachmentRef]) -> int:
        """Waits until there is memory for them. Pass the result to `give_back`. Raises DependencyUnavailable."""
        if not refs:  # a mail with copies only does not wait
            return 0
        try:
            async with asyncio.timeout(MAX_WAIT_SECONDS):
                return await self._budget.take(sum(ref.size for ref in refs))
        except TimeoutError:
            raise DependencyUnavailable("the memory for attachments is in use") from None

    def give_back(self, reserved: int) -> None:
        self._budget.give_back(reserved)

    async def load(self, refs: Sequence[AttachmentRef]) -> tuple[LoadedAttachment, ...]:
        """Raises AttachmentGone, DependencyUnavailable."""
        return tuple([LoadedAttachment(ref, await self._body(ref)) for ref in refs])

    async def _body(self, ref: AttachmentRef) -> bytes:
        known = self._remembered.get(ref.sha256)
        if known is not None:
            self._remembered.move_to_end(ref.sha256)
            return known
        return await self._fetches.run(ref.id, lambda: self._fetch(ref))

    async def _fetch(self, ref: AttachmentRef) -> bytes:
        status, content = await self._gateway.get(f"/internal/attachments/{ref.id}")
        if status == 404 and _code(content) == ATTACHMENT_NOT_FOUND:
            raise AttachmentGone
        if status != 200 or len(content) != ref.size:
            raise DependencyUnavailable(f"an attachment was answered with {status}")
        body = in_base64(content) if ref.size <= IN_THE_LOOP_BYTES else await asyncio.to_thread(in_base64, content)
        self._remember(ref.sha256, body)
        return body

    def _remember(self, sha256: str, body: bytes) -> None:
        self._remembered_bytes += len(body) - len(self._remembered.pop(sha256, b""))
        self._remembered[sha256] = body
        while self._remembered_bytes > REMEMBERED_BYTES:
            _, forgotten = self._remembered.popitem(last=False)
            self._remembered_bytes -= len(forgotten)


def in_base64(content: bytes) -> bytes:
    """In lines of 76 characters (RFC 2045, 6.8). Takes 20 ms for 7 MB."""
    text = binascii.b2a_base64(content, newline=False)
    return b"\r\n".join(text[start : start + LINE] for start in range(0, len(text), LINE))


def _code(answer: bytes) -> object:
    """The error code of an answer. A gateway of the previous release has no such route, so its 404 has another code."""
    try:
        return orjson.loads(answer)["error"]
    except (ValueError, KeyError, TypeError):
        return None
