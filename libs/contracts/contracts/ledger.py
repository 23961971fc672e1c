"""What a channel's workers answer about their ledger: totals, ends, erasure."""

from uuid import UUID

from pydantic import Field

from contracts.messages import StatusEvent
from contracts.recipients import Contract

MAX_LEDGER_QUESTION = 1_000


class LedgerTotals(Contract):
    """`GET /internal/ledger?first=&last=` of a channel's worker: its ledger's rows for ids from `first` up to `last`.

    Ids are time-ordered, so two of them bound a time. `sent` counts notifications that went to at least one recipient,
    `deliveries` counts rows by state. `fingerprint` is the sum of PostgreSQL's `uuid_hash_extended(id, 0)` over the ids of
    what was sent, as decimal text: equal only where the same notifications are meant.
    """

    sent: int
    fingerprint: str
    deliveries: dict[str, int]


class LedgerQuestion(Contract):
    """Body of `POST /internal/ledger/find`: what has become of these notifications?"""

    ids: tuple[UUID, ...] = Field(max_length=MAX_LEDGER_QUESTION)


class LedgerFindings(Contract):
    """The answer: the end of each of them that has one, as the worker reported it, and the ids of those still under way.

    The ledger knows nothing of an id that is in neither.
    """

    ended: tuple[StatusEvent, ...] = ()
    open: tuple[UUID, ...] = ()


class LedgerErasureOrder(Contract):
    """Body of a worker's `POST /internal/ledger/erase`: the notifications of a user that is gone."""

    ids: tuple[UUID, ...] = Field(max_length=MAX_LEDGER_QUESTION)


class LedgerErasure(Contract):
    """The answer: how many deliveries they have, and how many of those are not at their end yet."""

    deliveries: int
    open: int
