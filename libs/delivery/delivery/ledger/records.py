"""The ledger's input and output records."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID


@dataclass(slots=True)  # not frozen: filling one in takes three times as long then, for every delivery
class Claim:
    """A request to deliver to one recipient. `recipient` is its key in the ledger, the same in every copy of the message.

    `contact` is the current recipient, as JSON, if it differs from the one in the message. `added_later`: a device that the
    user did not have when the notification was accepted; it gets no delivery if a worker has begun the notification without
    it. `fingerprint` identifies the address in the suppression list. `provider` will be called if the delivery is claimed.
    """

    notification_id: UUID
    recipient: str
    replay: int
    priority: int
    message: str
    expires_at: datetime | None
    contact: str | None = None
    added_later: bool = False
    fingerprint: str | None = None
    trace_context: str | None = None
    provider: str | None = None


@dataclass(slots=True)  # not frozen: filling one in takes three times as long then, for every delivery
class Claimed:
    """This worker owns the delivery and attempts it now. `attempts` were spent before. `times_without_attempt`: how often
    none was spent, as it was postponed or its provider was down.

    Of the attempts, `faults` failed on our side or are ambiguous; all other attempts were refused for now, the first one at
    `refused_since`. `ambiguous`: an earlier attempt may have been accepted by its provider. Then the delivery goes to
    that attempt's recipient (`contact`; None: the message's) through that attempt's `provider`. Otherwise `provider` is the
    one that the claim named. `undecryptable`: the contact is encrypted with a key that is
    missing. `suppressed`: the address in the claim is on the suppression list.
    """

    attempts: int
    times_without_attempt: int
    expired: bool
    ambiguous: bool = False
    contact: str | None = None
    faults: int = 0
    refused_since: datetime | None = None
    suppressed: bool = False
    provider: str | None = None
    claimed_at: datetime = field(default_factory=lambda: datetime.now(UTC), compare=False)
    read_at: float = field(default_factory=time.monotonic, compare=False)
    undecryptable: bool = False

    def now(self) -> datetime:
        """The time by the database's clock, read at the claim: a worker's own clock may be wrong."""
        return self.claimed_at + timedelta(seconds=self.age_seconds())

    def age_seconds(self) -> float:
        """The time since the claim, which is made right before the provider is called."""
        return time.monotonic() - self.read_at


@dataclass(frozen=True, slots=True)
class AlreadyFinished:
    """The delivery has ended before, in `state`. Nothing is sent, but the gateway may not know the result yet."""

    state: str
    attempts: int
    code: str | None
    detail: str | None
    provider_message_id: str | None
    replay: int
    provider: str | None = None
    ended_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class NotOwned:
    """Another worker owns the delivery, or it waits in the ledger for its next attempt."""


@dataclass(frozen=True, slots=True)
class AddedTooLate:
    """A device that its user added after a worker had begun this notification: nothing is sent to it."""


ClaimResult = Claimed | AlreadyFinished | NotOwned | AddedTooLate


class DeliveryKey(NamedTuple):
    """One round of one delivery. `recipient_key` is the ledger's key for the recipient, `replay` the number of the round."""

    notification_id: UUID
    recipient_key: str
    replay: int


@dataclass(slots=True)  # not frozen: filling one in takes three times as long then, for every delivery
class DeliveryRecord:
    """The result of an attempt, as it goes into the ledger. `delay` (seconds) counts only in state `retry`.

    A `sent` of the same `replay` is also accepted from a worker that has lost the delivery: the provider has it.
    `attempts` and `faults` are totals, as in `Claimed`. The next three are of this result alone. `refused_for_now`: also when
    it was postponed because its domain refuses messages. `without_attempt`: 1 if no attempt was spent. `ambiguous`: 1
    if the attempt may or may not have been sent.
    `provider` answered, or may have accepted it. `reported_before`: it has waited without an attempt before, and that was
    reported to the gateway. `provider` and `reported_before` are not stored: the claim has stored the provider.
    """

    notification_id: UUID
    recipient: str
    state: str
    replay: int = 0
    attempts: int = 0
    faults: int = 0
    refused_for_now: bool = False
    without_attempt: int = 0
    ambiguous: int = 0
    code: str | None = None
    detail: str | None = None
    provider_message_id: str | None = None
    delay: float = 0.0
    provider: str | None = None
    reported_before: bool = False


@dataclass(frozen=True, slots=True)
class ToRequeue:
    """A message to publish again. `taken_at`: when it was taken from the ledger, by the database's clock.

    `ambiguous`: the number of recipients that a dead worker may have sent it to.
    """

    notification_id: UUID
    priority: int
    message: str
    taken_at: datetime
    trace_context: str | None = None
    ambiguous: int = 0


@dataclass(frozen=True, slots=True)
class Owned:
    """A delivery that this worker has claimed. `updated_at` identifies the claim."""

    notification_id: UUID
    recipient: str
    updated_at: datetime
