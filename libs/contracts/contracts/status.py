"""The status machine of a notification.

`pending` → `queued` → `sent` → `delivered`, and the final states. Events only move it forward: late or repeated ones change
nothing. Two things set it back to `pending`: a worker hands a held notification back to the gateway, and a person's retry
begins the next round. NEXT has neither of them.
"""

from enum import StrEnum


class Status(StrEnum):
    PENDING = "pending"  # accepted; also while it waits for `send_at` or for a dependency
    QUEUED = "queued"  # the broker has confirmed it
    SENT = "sent"  # the provider has accepted it
    DELIVERED = "delivered"  # the provider has confirmed the delivery
    FAILED = "failed"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    UNKNOWN = "unknown"  # the provider may have accepted it, and no worker sends it again


ENDS = frozenset({Status.DELIVERED, Status.FAILED, Status.SUPPRESSED, Status.CANCELLED, Status.EXPIRED, Status.UNKNOWN})

# The allowed transitions. A provider may bounce (`failed`) a message that it accepted, and may confirm an `unknown` one.
NEXT: dict[Status, frozenset[Status]] = {
    Status.PENDING: frozenset(Status) - {Status.PENDING},
    Status.QUEUED: frozenset(Status) - {Status.PENDING, Status.QUEUED},
    Status.SENT: frozenset({Status.DELIVERED, Status.FAILED}),
    Status.UNKNOWN: frozenset({Status.SENT, Status.DELIVERED, Status.FAILED}),
    Status.DELIVERED: frozenset(),
    Status.FAILED: frozenset(),
    Status.SUPPRESSED: frozenset(),
    Status.CANCELLED: frozenset(),
    Status.EXPIRED: frozenset(),
}


def may_follow(now: Status, then: Status) -> bool:
    """Whether an event with status `then` changes a notification with status `now`."""
    return then in NEXT[now]


def sources_of(then: Status) -> frozenset[Status]:
    """The statuses that an event with status `then` changes: the WHERE of a set-based update."""
    return frozenset(now for now in Status if may_follow(now, then))
