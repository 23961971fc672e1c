"""The interface that every broker implements, and the code that runs a handler on a message."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import structlog

# The contract of every broker. Services use these names only; the composition root chooses the implementation.
#
# Delivery is at-least-once: a confirmed message is delivered until it is acknowledged, so a handler may see it twice.


@dataclass(frozen=True, slots=True)
class QueueSpec:
    """A durable queue bound to the topology's exchange.

    With ``max_priority``, messages of higher priority overtake others. Without it, priorities are transported but have no
    effect. Rejected messages go to the same exchange under ``dead_letter_routing_key``; without that key they are dropped.
    """

    name: str
    routing_key: str
    max_priority: int | None = None
    dead_letter_routing_key: str | None = None


@dataclass(frozen=True, slots=True)
class Topology:
    """One direct, durable exchange to publish to, and its queues.

    ``queues`` are declared here. ``bound`` queues are declared by another service; here they are only bound to this
    exchange too.
    """

    exchange: str
    queues: tuple[QueueSpec, ...]
    bound: tuple[QueueSpec, ...] = ()

    def queue(self, name: str) -> QueueSpec:
        """The queue named ``name``. Raises ``ValueError`` if the topology does not have it."""
        for spec in (*self.queues, *self.bound):
            if spec.name == name:
                return spec
        raise ValueError(f"the topology of {self.exchange} has no queue {name!r}")


@dataclass(frozen=True, slots=True)
class Publication:
    """A message to publish. ``message_id`` is required: it identifies a returned message among the published ones."""

    routing_key: str
    body: bytes
    message_id: str
    correlation_id: str = ""
    priority: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)


class PublishFailed(Exception):
    """The message was not confirmed. It may or may not have arrived. Publish it again."""


class Unroutable(PublishFailed):
    """The broker returned the message: no queue is bound for this routing key."""


class BrokerUnavailable(PublishFailed):
    """There is no working connection to the broker."""


class IncomingMessage(Protocol):
    """A message that a consumer holds. It counts against the prefetch until ``ack``, ``reject`` or ``requeue`` is called.

    These three methods never raise, and only the first call has an effect. If the channel of the message is lost, they do
    nothing: the broker has taken the message back and will deliver it again. They return when the answer has been sent, not
    when it has arrived.
    """

    @property
    def body(self) -> bytes: ...
    @property
    def message_id(self) -> str: ...
    @property
    def correlation_id(self) -> str: ...
    @property
    def priority(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, object]: ...
    @property
    def redelivered(self) -> bool: ...
    @property
    def routing_key(self) -> str: ...

    async def ack(self) -> None:
        """Done: the broker deletes the message."""

    async def reject(self) -> None:
        """Refuses the message for good: it is dead-lettered, or dropped if the queue has no dead-letter key."""

    async def requeue(self) -> None:
        """Returns the message to its place in the queue. It comes again, immediately if no message is before it."""


Handler = Callable[[IncomingMessage], Awaitable[None]]


class Consumer(Protocol):
    """A running subscription. It survives reconnects until it is closed."""

    async def pause(self) -> None:
        """Takes no more messages. Messages already delivered are still handled and settled."""

    async def resume(self) -> None: ...

    async def close(self, grace: float = 10.0) -> None:
        """Stops receiving, waits ``grace`` seconds for running handlers, cancels the rest, and returns unsettled messages.

        Handlers that have not begun do not begin. Do not call this from a handler: it would wait for itself.
        """


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """``unacked`` is None if the broker cannot report it (AMQP has no request for it)."""

    ready: int
    unacked: int | None
    consumers: int


class Broker(Protocol):
    async def start(self) -> None:
        """Begins to connect in the background and returns immediately: a service can start while its broker is down."""

    async def close(self) -> None:
        """Closes everything that is still open. First close the consumers, with a suitable grace."""

    @property
    def connected(self) -> bool: ...

    async def wait_connected(self, seconds: float) -> bool:
        """Whether the broker became reachable, with its topology declared, within ``seconds``."""

    async def publish_many(self, publications: Sequence[Publication]) -> list[PublishFailed | None]:
        """One outcome per publication, in order. None: confirmed by every queue it was routed to. Never raises."""

    async def consume(self, queue: str, handler: Handler, *, prefetch: int) -> Consumer:
        """Calls ``handler`` for each message, each in its own task, at most ``prefetch`` at once.

        May be called before the broker is connected. The handler settles its message itself. If the handler raises, the
        message is requeued after a pause of one second, so that a broken handler does not cycle through the queue at full
        speed. An unsettled message counts against ``prefetch``, even after its handler returned. Raises ``ValueError`` for
        a queue that is not in the topology.
        """

    async def depth(self, queue: str) -> QueueDepth:
        """Raises ``BrokerUnavailable``, also if the queue does not exist."""

    async def ping(self) -> None:
        """For health checks. Raises ``BrokerUnavailable``."""


log = structlog.get_logger()

CANCEL_SECONDS = 5.0  # how long a cancelled handler may clean up; after that it is abandoned


class RevocableMessage(IncomingMessage, Protocol):
    @property
    def taken_back(self) -> bool:
        """The broker has taken the message back: handling it now would only do the work twice."""


class Handling:
    """One task per message, at most ``limit`` running at once, across reconnects.

    The tasks are our own. The client library would cancel its own tasks in the middle of their work when a channel is lost.
    """

    def __init__(self, queue: str, handler: Handler, *, limit: int, pause: float) -> None:
        self._queue = queue
        self._handler = handler
        self._pause = pause
        self._slots = asyncio.Semaphore(limit)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()

    def submit(self, incoming: RevocableMessage) -> None:
        task = asyncio.create_task(self._handle(incoming))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self, grace: float) -> None:
        """Lets no new handler begin, waits ``grace`` seconds for running ones, then cancels them."""
        self._closing.set()
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=grace)
        if late:
            log.warning("consumer.drain_timed_out", queue=self._queue, unfinished=len(late))
            for task in late:
                task.cancel()
            await asyncio.wait(late, timeout=CANCEL_SECONDS)

    async def _handle(self, incoming: RevocableMessage) -> None:
        async with self._slots:
            if self._closing.is_set() or incoming.taken_back:
                return  # nothing is lost: the broker delivers the message again
            try:
                await self._handler(incoming)
            except Exception:
                # Catch everything: otherwise a defect in a handler leaves its message unsettled until a restart.
                log.exception("consumer.handler_failed", queue=self._queue, message_id=incoming.message_id)
                await self._rest()
                await incoming.requeue()

    async def _rest(self) -> None:
        """Pauses before a failed message goes back to the queue. A closing consumer does not wait for it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pause):
                await self._closing.wait()
