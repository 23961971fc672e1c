"""Erases and exports the personal data of a user."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

import orjson
import structlog
from pydantic import TypeAdapter

from api_gateway.repositories import personal, personal_data
from api_gateway.repositories.personal_data import FIRST_ID, ErasedRow, ExportRow
from api_gateway.services.metrics import GatewayMetrics
from chassis.broker import Broker, BrokerUnavailable, IncomingMessage
from chassis.errors import DependencyUnavailable
from chassis.http.client import ServiceClient, found_of
from chassis.http.envelope import Envelope
from chassis.json_values import to_json_text
from chassis.postgres.database import Database
from chassis.process.periodic import end_tasks
from chassis.security import callers_of_application
from chassis.security.data_keys import DataKeys
from contracts.erasing import ErasureProgress, ExportedNotification, ExportFindings, ExportQuestion
from contracts.ledger import MAX_LEDGER_QUESTION, LedgerErasure, LedgerErasureRequest
from contracts.recipients import Channel
from contracts.system_mails import is_system_caller
from contracts.topology import FAILED_QUEUE

log = structlog.get_logger()

ANSWER_SECONDS = 2.0  # after this the answer says that the erasure is in progress; the client waits for three seconds
WALK_SECONDS = 120.0
IN_HAND = 2_000  # per consumer, before the next one starts: answers to other broker requests arrive after the messages
_ERASED = TypeAdapter(Envelope[LedgerErasure])


class Eraser:
    """Erases the data of a deleted user: in the gateway's rows, in the workers' ledgers and in failed.queue.

    The user service repeats its request until no notification of the user is in progress any more (`contracts.erasing`).
    This process runs one erasure of a user at a time. `workers`: the client of the ledger of each channel.
    """

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
        """Stops the running erasures. The user service asks for them again."""
        await end_tasks(self._at_work.values())

    async def _erase(self, user_id: UUID) -> ErasureProgress:
        totals, began = Counter[str](), time.monotonic()
        after: UUID | None = FIRST_ID
        while after is not None:
            rows = await self._erase_page(user_id, after)
            totals["notifications"] += len(rows)
            totals["open"] += sum(row.open for row in rows)
            totals["deliveries"] += await self._erase_deliveries(rows)
            after = rows[-1].id if len(rows) == MAX_LEDGER_QUESTION else None
        removed = await self._erase_failed_messages(user_id)
        if removed is None:
            return ErasureProgress(finished=False)
        seconds = time.monotonic() - began
        return ErasureProgress(finished=True, seconds=seconds, failed_messages=removed, **totals)

    async def _erase_page(self, user_id: UUID, after: UUID) -> Sequence[ErasedRow]:
        async with self._database.begin() as connection:
            rows = await personal_data.erase(connection, user_id, after=after, limit=MAX_LEDGER_QUESTION)
        self._metrics.count_transitions((row.notification_type, "cancelled") for row in rows if row.cancelled)
        return rows

    async def _erase_deliveries(self, rows: Sequence[ErasedRow]) -> int:
        """Returns how many deliveries there are. Those in progress end by themselves: the worker finds no recipient."""
        found = 0
        for channel, worker in self._workers.items():
            ids = tuple(row.id for row in rows if row.notification_type == channel)
            if ids:
                body = LedgerErasureRequest(ids=ids).model_dump_json().encode()
                found += found_of(_ERASED, *await worker.post("/internal/ledger/erase", body)).deliveries
        return found

    async def _erase_failed_messages(self, user_id: UUID) -> int | None:
        """Returns how many were removed; None: another process reads the queue, or not every message was seen."""
        async with self._database.begin() as connection:
            if not await personal_data.has_failed(connection, user_id):
                return 0
            if not await personal_data.has_the_turn(connection):
                return None
            try:
                return await remove_from(self._broker, FAILED_QUEUE, lambda body: _user_of(body) == str(user_id))
            except BrokerUnavailable as error:
                raise DependencyUnavailable("the broker does not answer") from error
            except TimeoutError:
                log.warning("erasure.failed_queue_not_read_whole", queue=FAILED_QUEUE)
                return None


async def remove_from(broker: Broker, queue: str, unwanted: Callable[[bytes], bool]) -> int:
    """Takes all messages of a queue, removes the `unwanted` ones and returns the rest to their places.

    Returns how many were removed. Raises BrokerUnavailable, and TimeoutError if it does not see all messages.
    """
    ready = (await broker.depth(queue)).ready
    seen, removed, arrived = 0, 0, asyncio.Event()

    async def check(incoming: IncomingMessage) -> None:
        nonlocal seen, removed
        seen += 1
        if unwanted(incoming.body):
            removed += 1
            await incoming.ack()
        arrived.set()

    async with contextlib.AsyncExitStack() as stack, asyncio.timeout(WALK_SECONDS):
        for held in range(0, ready, IN_HAND):
            consumer = await broker.consume(queue, check, prefetch=IN_HAND)
            stack.push_async_callback(consumer.close, grace=0)
            while seen < min(held + IN_HAND, ready):
                arrived.clear()
                await arrived.wait()
    return removed


def _user_of(body: bytes) -> object:
    """The user of a message; None if the message cannot be parsed."""
    try:
        return orjson.loads(body)["user_id"]
    except (ValueError, KeyError, TypeError):
        return None


class Exporter:
    def __init__(self, database: Database, data_keys: DataKeys) -> None:
        self._database = database
        self._data_keys = data_keys

    async def page(self, question: ExportQuestion) -> ExportFindings:
        """Raises ValueUnreadable."""
        callers = None if question.application_id is None else callers_of_application(question.application_id)
        async with self._database.begin() as connection:
            rows = await personal_data.sent_to(
                connection, question.user_id, callers=callers, after=question.after, limit=question.limit + 1
            )
        notifications = tuple(_exported(row, self._data_keys) for row in rows[: question.limit])
        return ExportFindings(notifications=notifications, more=len(rows) > question.limit)


def _exported(row: ExportRow, data_keys: DataKeys) -> ExportedNotification:
    variables = personal.read_object(data_keys, personal.VARIABLES, row.id, row.variables)
    recipient = personal.read_document(data_keys, personal.RECIPIENT, row.id, row.recipient)
    overrides = personal.read_document(data_keys, personal.OVERRIDES, row.id, row.overrides)
    return ExportedNotification(
        notification_id=row.id,
        notification_type=row.notification_type,
        template_code=row.template_code,
        language=row.language,
        status=row.status,
        code=row.code,
        detail=personal.read_detail(data_keys, row.id, row.detail, row.sealed_detail),
        variables=None if is_system_caller(row.caller) else variables.text,
        recipient=None if recipient is None else to_json_text(recipient),
        overrides=None if overrides is None else to_json_text(overrides),
        created_at=row.created_at,
        queued_at=row.queued_at,
        sent_at=row.sent_at,
        ended_at=row.ended_at,
    )
