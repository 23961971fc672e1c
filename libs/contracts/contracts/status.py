"""The status machine of a notification.

`pending` → `queued` → `sent` → `delivered`, and the ends. It only moves forward: late or repeated events change nothing.
"""

from enum import StrEnum


class Status(StrEnum):
    PENDING = "pending"  # accepted; also waiting for `send_at` or for a dependency
    QUEUED = "queued"  # the broker confirmed it
    SENT = "sent"  # the provider took it
    DELIVERED = "delivered"  # the provider confirmed it
    FAILED = "failed"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    UNKNOWN = "unknown"  # the provider may have taken it, and policy says not to send again


ENDS = frozenset({Status.DELIVERED, Status.FAILED, Status.SUPPRESSED, Status.CANCELLED, Status.EXPIRED, Status.UNKNOWN})

# Where each status may go. A provider may bounce (`failed`) what it took, and may confirm what we held for unknown.
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
    """Whether an event that says `then` moves a notification that is `now`."""
    return then in NEXT[now]


def sources_of(then: Status) -> frozenset[Status]:
    """The statuses that an event saying `then` moves on: what a set-based update puts in its WHERE."""
    return frozenset(now for now in Status if may_follow(now, then))
