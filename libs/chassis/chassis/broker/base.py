"""What every broker promises. Services know these names only; the composition root chooses what is behind them.

The promise is at-least-once: a confirmed message is delivered until it is acknowledged, so a handler may see it twice.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class QueueSpec:
    """A durable queue bound to the topology's exchange.

    ``max_priority`` makes higher priorities overtake (without it, priorities are carried and ignored). Rejected
    messages go to the same exchange under ``dead_letter_routing_key``; without one they are dropped.
    """

    name: str
    routing_key: str
    max_priority: int | None = None
    dead_letter_routing_key: str | None = None


@dataclass(frozen=True, slots=True)
class Topology:
    """One direct, durable exchange to publish to, and its queues.

    ``queues`` are declared; ``bound`` are another service's to declare, and only bound to this exchange too.
    """

    exchange: str
    queues: tuple[QueueSpec, ...]
    bound: tuple[QueueSpec, ...] = ()

    def queue(self, name: str) -> QueueSpec:
        """The queue of that name. Raises ``ValueError`` for a queue that the topology does not have."""
        for spec in (*self.queues, *self.bound):
            if spec.name == name:
                return spec
        raise ValueError(f"the topology of {self.exchange} has no queue {name!r}")


@dataclass(frozen=True, slots=True)
class Publication:
    """A message to publish. ``message_id`` is required: it is how a returned message is told from its neighbours."""

    routing_key: str
    body: bytes
    message_id: str
    correlation_id: str = ""
    priority: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)


class PublishFailed(Exception):
    """Not confirmed: the message may or may not have arrived. Publish it again."""


class Unroutable(PublishFailed):
    """Returned by the broker: no queue is bound for this routing key."""


class BrokerUnavailable(PublishFailed):
    """There is no working connection to the broker."""


class Delivery(Protocol):
    """A message in hand. It counts against the consumer's prefetch until one of the three verbs is called.

    The verbs never raise. When the channel it came over is gone they do nothing: the broker has taken the message back
    and will deliver it again. Only the first verb counts. They return when the answer is on its way, not when it has
    arrived.
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
        """Done: the broker forgets the message."""

    async def reject(self) -> None:
        """Never again: the message is dead-lettered, or dropped where the queue has no dead-letter key."""

    async def requeue(self) -> None:
        """Not now: the message goes back to its place in the queue and comes again, at once if nothing is before it."""


Handler = Callable[[Delivery], Awaitable[None]]


class Consumer(Protocol):
    """A running subscription, kept up through reconnects until it is closed."""

    async def pause(self) -> None:
        """Take no more messages. Those already in hand are still handled and settled."""

    async def resume(self) -> None: ...

    async def close(self, grace: float = 10.0) -> None:
        """Stop receiving, give handlers in flight ``grace`` seconds, cancel those left, give back what is unsettled.

        Handlers that have not begun yet do not begin. Not to be called from a handler: it would wait for itself.
        """


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """``unacked`` is None where the broker does not tell (AMQP has no question for it)."""

    ready: int
    unacked: int | None
    consumers: int


class Broker(Protocol):
    async def start(self) -> None:
        """Begin connecting in the background and return at once: a service starts while its broker is down."""

    async def close(self) -> None:
        """Close what is left open. Close the consumers first, with the grace they deserve."""

    @property
    def connected(self) -> bool: ...

    async def wait_connected(self, seconds: float) -> bool:
        """Whether the broker was reachable, with its topology declared, before ``seconds`` had passed."""

    async def publish_many(self, publications: Sequence[Publication]) -> list[PublishFailed | None]:
        """One outcome per publication, in order; None = confirmed by every queue it was routed to. Never raises."""

    async def consume(self, queue: str, handler: Handler, *, prefetch: int) -> Consumer:
        """Call ``handler`` for each message, each in a task of its own, at most ``prefetch`` at once.

        May be called before the broker is connected. The handler settles its delivery itself. When it raises, the
        message is requeued after a short pause (a second), so that a handler that cannot work does not turn the queue
        over at full speed. What is not settled counts against ``prefetch``, also after the handler has returned.
        Raises ``ValueError`` for a queue that is not in the topology.
        """

    async def depth(self, queue: str) -> QueueDepth:
        """Raises ``BrokerUnavailable``, also for a queue that is not there."""

    async def ping(self) -> None:
        """For health checks. Raises ``BrokerUnavailable``."""
