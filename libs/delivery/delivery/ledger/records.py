"""What goes into the ledger and what comes out of it."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID


@dataclass(slots=True)  # not frozen: filling one in takes three times as long then, for every delivery
class Claim:
    """A wish to deliver to one recipient. `recipient` is the ledger's key for it, the same in every copy of the message.

    `contact` is whom it goes to now, as JSON, when that is not what the message says. `added`: a device that the user had
    not when the notification was accepted; it is not a delivery of a notification that others have begun without it.
    `fingerprint` names the address in the suppression list.
    """

    notification_id: UUID
    recipient: str
    replay: int
    priority: int
    message: str
    expires_at: datetime | None
    contact: str | None = None
    added: bool = False
    fingerprint: str | None = None
    trace_context: str | None = None


@dataclass(slots=True)  # not frozen: filling one in takes three times as long then, for every delivery
class Claimed:
    """It is ours to deliver, now; `attempts` were spent and `deferrals` made before.

    Of the attempts, `faults` were our side's fault or in doubt; the others were refused for now, first at `refused_since`.
    `doubtful`: it was with the provider before, and nobody knows whether it was taken. Then it goes to whom it went at that
    time: `contact`, or whom the message names when that is None; `unreadable`: that is encrypted with a key that is missing.
    `suppressed`: the address that was asked for is on the suppression list.
    """

    attempts: int
    deferrals: int
    expired: bool
    doubtful: bool = False
    contact: str | None = None
    faults: int = 0
    refused_since: datetime | None = None
    suppressed: bool = False
    claimed_at: datetime = field(default_factory=lambda: datetime.now(UTC), compare=False)
    read_at: float = field(default_factory=time.monotonic, compare=False)
    unreadable: bool = False

    def now(self) -> datetime:
        """The time by the database's clock, as it told it when it was claimed: a worker's own may be off."""
        return self.claimed_at + timedelta(seconds=time.monotonic() - self.read_at)


@dataclass(frozen=True, slots=True)
class AlreadyFinished:
    """It has ended before, in `state`: nothing is to be sent, but the gateway may not know yet."""

    state: str
    attempts: int
    code: str | None
    detail: str | None
    provider_message_id: str | None
    replay: int
    ended_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class NotOwned:
    """Another worker has it, or it waits for its next attempt in the ledger: not ours now."""


@dataclass(frozen=True, slots=True)
class NotADelivery:
    """An added device of a notification that was begun without it: nothing is sent to it."""


ClaimResult = Claimed | AlreadyFinished | NotOwned | NotADelivery


class DeliveryKey(NamedTuple):
    """One round of one delivery. `recipient` is the ledger's key for whom it goes to, `replay` the number of the round."""

    notification_id: UUID
    recipient: str
    replay: int


@dataclass(slots=True)  # not frozen: filling one in takes three times as long then, for every delivery
class DeliveryRecord:
    """The result of an attempt, as it goes into the ledger. `delay` (seconds) counts only in state `retry`.

    A `sent` of the same `replay` is taken from a worker too that has lost the delivery: the provider has it.
    `faults` counts as in `Claimed`; `refused`: it was refused for now.
    `reported_before`: the gateway has heard of an earlier deferral of this delivery (it is not stored).
    """

    notification_id: UUID
    recipient: str
    state: str
    replay: int = 0
    attempts: int = 0
    faults: int = 0
    refused: bool = False
    deferred: int = 0
    doubt: int = 0
    code: str | None = None
    detail: str | None = None
    provider_message_id: str | None = None
    delay: float = 0.0
    reported_before: bool = False


@dataclass(frozen=True, slots=True)
class ToRequeue:
    """A message that goes through the queue once more, taken up for it at `taken_at` by the database's clock.

    `doubts`: to how many recipients a dead worker may have sent it.
    """

    notification_id: UUID
    priority: int
    message: str
    taken_at: datetime
    trace_context: str | None = None
    doubts: int = 0


@dataclass(frozen=True, slots=True)
class Owned:
    """A delivery that this worker has claimed, as it stood at `updated_at`."""

    notification_id: UUID
    recipient: str
    updated_at: datetime
