"""The exchanges and queues. Gateways declare the queues; each kind of worker has an exchange of its own.

RabbitMQ grants access to whole exchanges, not to routing keys, and workers must not publish what only the gateway may.
"""

from typing import Annotated

from pydantic import Field

from chassis.broker import QueueSpec, Topology
from chassis.broker.sharded import with_shards

QueueShards = Annotated[
    int,
    Field(
        description="Queues into which each channel's work that is not urgent is split, by the notification's id. Gateways "
        "and workers need the same number. With a larger value more of RabbitMQ's cores share it; see "
        "docs/explanation/scaling.md",
        ge=1,
        le=32,
    ),
]

EXCHANGE = "notifications.direct"
FAILED_KEY = "failed"
STATUS_KEY = "status"
HIGHEST_PRIORITY = 10
PRIORITIES = range(1, HIGHEST_PRIORITY + 1)
URGENT = 8  # from this priority on: a separate queue, no waiting for a group, and sleeping devices are woken
URGENT_PRIORITIES = range(URGENT, HIGHEST_PRIORITY + 1)
FAILED_QUEUE = "failed.queue"
STATUS_QUEUE = "status.queue"


def routing_key_of(channel: str, priority: int) -> str:
    """The routing key of a notification."""
    return f"{channel}.urgent" if priority >= URGENT else channel


def queue_of(channel: str, priority: int) -> str:
    """The queue in which a notification waits for a worker."""
    return f"{routing_key_of(channel, priority)}.queue"


def queues_of(channel: str) -> tuple[str, str]:
    """A channel's work queues, the urgent one first."""
    return queue_of(channel, URGENT), queue_of(channel, 1)


def _work_queues(channel: str) -> list[QueueSpec]:
    return [
        QueueSpec(
            queue_of(channel, priority),
            routing_key_of(channel, priority),
            max_priority=HIGHEST_PRIORITY,
            dead_letter_routing_key=FAILED_KEY,
        )
        for priority in (1, URGENT)
    ]


def gateway_topology(shards: int) -> Topology:
    """Everything, with the work queues that are not urgent in so many shards."""
    return with_shards(TOPOLOGY, SPLIT.values(), shards)


def worker_topology(channel: str, shards: int = 1) -> Topology:
    """The exchange and queues that a channel's workers publish to: their own queues and the status queue."""
    keys = {*(routing_key_of(channel, priority) for priority in (1, URGENT)), STATUS_KEY}
    bound = tuple(spec for spec in TOPOLOGY.queues if spec.routing_key in keys)
    return with_shards(Topology(exchange=f"{channel}.direct", queues=(), bound=bound), SPLIT.values(), shards)


TOPOLOGY = Topology(
    exchange=EXCHANGE,
    queues=(
        *_work_queues("email"),
        *_work_queues("push"),
        QueueSpec(FAILED_QUEUE, FAILED_KEY),
        QueueSpec(STATUS_QUEUE, STATUS_KEY, dead_letter_routing_key=FAILED_KEY),
    ),
)
# The queues that QUEUE_SHARDS splits, by routing key. Urgent ones stay whole: they are short, and in order.
SPLIT = {routing_key_of(channel, 1): queue_of(channel, 1) for channel in ("email", "push")}
