"""The exchange and its queues: declared the same by whoever connects first."""

from chassis.broker import QueueSpec, Topology

EXCHANGE = "notifications.direct"
FAILED_KEY = "failed"
STATUS_KEY = "status"
HIGHEST_PRIORITY = 10
URGENT = 8  # from this priority on nothing gathers with the rest, and a sleeping device is woken
FAILED_QUEUE = "failed.queue"
STATUS_QUEUE = "status.queue"


def queue_of(channel: str) -> str:
    """The work queue of a channel."""
    return f"{channel}.queue"


TOPOLOGY = Topology(
    exchange=EXCHANGE,
    queues=(
        QueueSpec("email.queue", "email", max_priority=HIGHEST_PRIORITY, dead_letter_routing_key=FAILED_KEY),
        QueueSpec("push.queue", "push", max_priority=HIGHEST_PRIORITY, dead_letter_routing_key=FAILED_KEY),
        QueueSpec(FAILED_QUEUE, FAILED_KEY),
        QueueSpec(STATUS_QUEUE, STATUS_KEY, dead_letter_routing_key=FAILED_KEY),
    ),
)
