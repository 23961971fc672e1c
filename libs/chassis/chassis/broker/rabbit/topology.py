"""Declares exchanges, queues and bindings, and reads the depth of a queue."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import structlog
from aio_pika import Connection, ExchangeType
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import ChannelPreconditionFailed

from chassis.broker.interface import BrokerUnavailable, QueueSpec, Topology
from chassis.broker.rabbit.connection import ManagedConnection
from chassis.broker.rabbit.timeouts import within

log = structlog.get_logger()

QueueType = Literal["classic", "quorum"]
Arguments = dict[str, str | int]


class TopologyConflict(Exception):
    """A queue or exchange already exists with different arguments. Only an operator can resolve this."""


def queue_arguments(spec: QueueSpec, exchange: str, queue_type: QueueType) -> Arguments:
    """The arguments of the queue's declaration. All are immutable: a changed value needs a new queue name.

    Quorum queues do not support ``x-max-priority``: they have no priorities up to 3.13, two levels in 4.0-4.2, and all levels
    from 4.3.
    """
    arguments: Arguments = {}
    if queue_type == "quorum":
        arguments["x-queue-type"] = "quorum"
    elif spec.max_priority is not None:
        arguments["x-max-priority"] = spec.max_priority
    if spec.dead_letter_routing_key is not None:
        arguments["x-dead-letter-exchange"] = exchange
        arguments["x-dead-letter-routing-key"] = spec.dead_letter_routing_key
    return arguments


async def declare(channel: AbstractChannel, topology: Topology, queue_type: QueueType) -> dict[str, int]:
    """Declares the topology. Returns the number of ready messages of each queue. Raises ``TopologyConflict``.

    A queue with different arguments is refused and not used: without its dead-letter key it would drop rejected messages.
    A queue that is only bound must exist already (otherwise aio-pika raises ``ChannelNotFoundEntity``).
    """
    try:
        exchange = await channel.declare_exchange(topology.exchange, ExchangeType.DIRECT, durable=True)
    except ChannelPreconditionFailed as error:
        raise _conflict("exchange", topology.exchange, error) from error
    ready = {}
    for spec in topology.queues:
        arguments = queue_arguments(spec, topology.exchange, queue_type)
        try:
            queue = await channel.declare_queue(spec.name, durable=True, arguments=dict(arguments))
        except ChannelPreconditionFailed as error:
            raise _conflict("queue", spec.name, error) from error
        await queue.bind(exchange, spec.routing_key)
        ready[spec.name] = queue.declaration_result.message_count or 0
    for spec in topology.bound:
        queue = await channel.declare_queue(spec.name, passive=True)
        await queue.bind(exchange, spec.routing_key)
        ready[spec.name] = queue.declaration_result.message_count or 0
    return ready


def _conflict(kind: str, name: str, error: ChannelPreconditionFailed) -> TopologyConflict:
    log.error(
        "broker.topology_conflict",
        **{kind: name},
        reason=str(error),
        hint="it exists with other arguments, which cannot be changed: drain and delete it, or configure another name, "
        "or set the queue type and priorities to the values it was declared with",
    )
    return TopologyConflict(f"{kind} {name} exists with other arguments: {error}")


# Requests to the broker over one channel that stays open, one request at a time.
#
# The channel stays open because aio-pika keeps a few objects of every channel until the connection ends. Requests run one
# at a time because a refused request closes the channel.


class Admin:
    def __init__(self, managed: ManagedConnection, *, seconds: float) -> None:
        self._managed = managed
        self._seconds = seconds
        self._connection: Connection | None = None
        self._channel: AbstractChannel | None = None
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[AbstractChannel]:
        """Turns every error inside into ``BrokerUnavailable``, except ``TopologyConflict``."""
        async with self._turn:
            connection = self._managed.connection()
            try:
                async with within(self._seconds):
                    yield await self._open(connection)
            except (BrokerUnavailable, TopologyConflict):
                raise
            except TimeoutError as error:
                self._managed.drop(connection)
                raise BrokerUnavailable("the broker does not answer") from error
            except Exception as error:
                raise BrokerUnavailable(f"{type(error).__name__}: {error}") from error

    async def _open(self, connection: Connection) -> AbstractChannel:
        if self._channel is None or self._channel.is_closed or self._connection is not connection:
            self._channel = connection.channel(publisher_confirms=False)
            self._connection = connection
            await self._channel.initialize()
        return self._channel
