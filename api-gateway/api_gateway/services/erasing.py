"""Erases what the system says of a user who is gone: in the gateway's rows, in the workers' ledgers, in failed.queue.

The user service orders it again and again until nothing of the user is under way any more (`contracts.erasing`).
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

import orjson
import structlog
from pydantic import TypeAdapter

from api_gateway.repositories import erasing
from api_gateway.repositories.erasing import FIRST_ID, ErasedRow
from api_gateway.services.metrics import GatewayMetrics
from chassis.broker import Broker, BrokerUnavailable, Delivery
from chassis.database import Database
from chassis.envelope import Envelope
from chassis.errors import DependencyUnavailable
from chassis.http_client import ServiceClient, found_of
from contracts.erasing import ErasureProgress, LedgerErasure, LedgerErasureOrder
from contracts.lookups import MAX_LEDGER_QUESTION
from contracts.recipients import Channel
from contracts.topology import FAILED_QUEUE

log = structlog.get_logger()

ANSWER_SECONDS = 2.0  # then the order's answer is that it goes on: who ordered it waits three
WALK_SECONDS = 120.0
IN_HAND = 2_000  # of one consumer, before the next one begins: the answers to what else is asked come behind them
_ERASED = TypeAdapter(Envelope[LedgerErasure])


class Eraser:
    """`workers`: for each channel, whom to ask for its ledger. One order of a user is at work at a time in this process."""

    def __init__(
        self, database: Database, broker: Broker, metrics: GatewayMetrics, workers: Mapping[Channel, ServiceClient]
    ) -> None:
        self._database = database
        self._broker = broker
        self._metrics = metrics
        self._workers = workers
        self._at_work: dict[UUID, asyncio.Task[ErasureProgress]] = {}

    async def erase(self, user_id: UUID) -> ErasureProgress:
        """Raises DependencyUnavailable while a worker's ledger or the broker does not answer; DatabaseUnavailable."""
        task = self._at_work.get(user_id)
        if task is None:
            task = self._at_work[user_id] = asyncio.create_task(self._erase(user_id))
        done, _ = await asyncio.wait([task], timeout=ANSWER_SECONDS)
        if not done:
            return ErasureProgress(finished=False)
        self._at_work.pop(user_id, None)
        return task.result()

    async def close(self) -> None:
        """What is at work is ordered again."""
        tasks = list(self._at_work.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _erase(self, user_id: UUID) -> ErasureProgress:
        counted, began = Counter[str](), time.monotonic()
        after: UUID | None = FIRST_ID
        while after is not None:
            rows = await self._erase_page(user_id, after)
            counted["notifications"] += len(rows)
            counted["open"] += sum(row.open for row in rows)
            counted["deliveries"] += await self._erase_deliveries(rows)
            after = rows[-1].id if len(rows) == MAX_LEDGER_QUESTION else None
        removed = await self._erase_failed_messages(user_id)
        if removed is None:
            return ErasureProgress(finished=False)
        seconds = time.monotonic() - began
        return ErasureProgress(finished=True, seconds=seconds, failed_messages=removed, **counted)

    async def _erase_page(self, user_id: UUID, after: UUID) -> Sequence[ErasedRow]:
        async with self._database.begin() as connection:
            rows = await erasing.erase(connection, user_id, after=after, largest=MAX_LEDGER_QUESTION)
        self._metrics.moved_all((row.notification_type, "cancelled") for row in rows if row.cancelled)
        return rows

    async def _erase_deliveries(self, rows: Sequence[ErasedRow]) -> int:
        """How many there are. Those under way end by themselves: a worker that takes one up finds nobody to send it to."""
        found = 0
        for channel, worker in self._workers.items():
            ids = tuple(row.id for row in rows if row.notification_type == channel)
            if ids:
                body = LedgerErasureOrder(ids=ids).model_dump_json().encode()
                found += found_of(_ERASED, *await worker.post("/internal/ledger/erase", body)).deliveries
        return found

    async def _erase_failed_messages(self, user_id: UUID) -> int | None:
        """How many were removed; None: somebody else walks through the queue, or not all of it was seen."""
        async with self._database.begin() as connection:
            if not await erasing.has_failed(connection, user_id):
                return 0
            if not await erasing.has_the_turn(connection):
                return None
            try:
                return await remove_from(self._broker, FAILED_QUEUE, lambda body: _user_of(body) == str(user_id))
            except BrokerUnavailable as error:
                raise DependencyUnavailable("the broker does not answer") from error
            except TimeoutError:
                log.warning("erasure.walk_unfinished", queue=FAILED_QUEUE)
                return None


async def remove_from(broker: Broker, queue: str, unwanted: Callable[[bytes], bool]) -> int:
    """Takes every message of a queue in hand, removes those that are `unwanted`, and gives the others back to their places.

    Returns how many were removed. Raises BrokerUnavailable, and TimeoutError when it does not get to see all of them.
    """
    ready = (await broker.depth(queue)).ready
    seen, removed, arrived = 0, 0, asyncio.Event()

    async def look(delivery: Delivery) -> None:
        nonlocal seen, removed
        seen += 1
        if unwanted(delivery.body):
            removed += 1
            await delivery.ack()
        arrived.set()

    async with contextlib.AsyncExitStack() as stack, asyncio.timeout(WALK_SECONDS):
        for held in range(0, ready, IN_HAND):
            consumer = await broker.consume(queue, look, prefetch=IN_HAND)
            stack.push_async_callback(consumer.close, grace=0)
            while seen < min(held + IN_HAND, ready):
                arrived.clear()
                await arrived.wait()
    return removed


def _user_of(body: bytes) -> object:
    """Of a message that nobody can read: None."""
    try:
        return orjson.loads(body)["user_id"]
    except (ValueError, KeyError, TypeError):
        return None
