"""Requests to a channel's workers about their ledger: totals, final states, erasure."""

from uuid import UUID

from pydantic import Field

from contracts.messages import StatusEvent
from contracts.recipients import Contract

MAX_LEDGER_QUESTION = 1_000


class LedgerTotals(Contract):
    """`GET /internal/ledger?first=&last=` of a channel's worker: totals of its ledger for ids from `first` up to `last`.

    Ids are ordered by time, so two of them limit a period. `sent` counts notifications that were sent to at least one
    recipient, `deliveries` counts rows by state. `fingerprint` is the sum of PostgreSQL's `uuid_hash_extended(id, 0)` over
    the ids of the sent notifications, as decimal text. Sets with equal fingerprints are taken as equal.
    """

    sent: int
    fingerprint: str
    deliveries: dict[str, int]


class LedgerQuestion(Contract):
    """Body of `POST /internal/ledger/find`: the notifications to look up."""

    ids: tuple[UUID, ...] = Field(max_length=MAX_LEDGER_QUESTION)


class LedgerFindings(Contract):
    """The response: the final events of the notifications that have ended, as the worker reported them, and the ids of
    those that have not ended (`open`).

    The ledger does not know an id that is in neither.
    """

    ended: tuple[StatusEvent, ...] = ()
    open: tuple[UUID, ...] = ()


class LedgerErasureRequest(Contract):
    """Body of a worker's `POST /internal/ledger/erase`: notifications of a deleted user."""

    ids: tuple[UUID, ...] = Field(max_length=MAX_LEDGER_QUESTION)


class LedgerErasure(Contract):
    """The response: the number of their deliveries, and how many of those have not ended."""

    deliveries: int
    open: int
