"""The one code path that declares exchange, queues and bindings, run on every connection and by the watchdog."""

from typing import Literal

import structlog
from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import ChannelPreconditionFailed

from chassis.broker.base import QueueSpec, Topology

log = structlog.get_logger()

QueueType = Literal["classic", "quorum"]
Arguments = dict[str, str | int]


class TopologyConflict(Exception):
    """A queue or exchange exists with other arguments than ours. Only an operator can resolve it."""


def queue_arguments(spec: QueueSpec, exchange: str, queue_type: QueueType) -> Arguments:
    """What a queue is declared with. All of it is immutable: another value needs another queue name.

    Quorum queues know no ``x-max-priority``: they have no priorities up to 3.13, two levels in 4.0-4.2, all from 4.3.
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
    """Make the topology exist; returns how many messages are ready in each queue. Raises ``TopologyConflict``.

    A queue with other arguments is refused, not used as it is: without its dead-letter key it would drop what is
    rejected. A queue that is only bound has to be there (aio-pika's ``ChannelNotFoundEntity``).
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
        "or set the queue type and priorities to what it was declared with",
    )
    return TopologyConflict(f"{kind} {name} exists with other arguments: {error}")
