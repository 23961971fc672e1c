"""Requests of the gateway about the e-mail service's suppression list, and about mails that came back."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from contracts.addresses import Email
from contracts.recipients import Contract

MAX_SUPPRESSIONS = 1_000  # in one request

SuppressionReason = Literal["bounced", "complained", "manual"]


class SuppressionQuestion(Contract):
    """Query of `GET /internal/suppressions`: newest first."""

    reason: str | None = Field(default=None, max_length=50)
    limit: int = Field(ge=1, le=100)
    offset: int = Field(ge=0)


class SuppressionEntry(Contract):
    """An address that gets no mail. `fingerprint`: SHA-256 of the address in lower case. `origin`: who found it out."""

    fingerprint: str
    masked: str
    reason: str
    origin: str
    created_at: datetime


class SuppressionFindings(Contract):
    entries: tuple[SuppressionEntry, ...]
    total: int


class SuppressionOrder(Contract):
    """Body of `POST /internal/suppressions`."""

    emails: tuple[Email, ...] = Field(min_length=1, max_length=MAX_SUPPRESSIONS)
    reason: SuppressionReason = "manual"


class SuppressionsAdded(Contract):
    """`added`: addresses that were not on the list before; the others keep their first reason."""

    added: int


class BounceResult(Contract):
    """The answer of `POST /internal/bounces`, whose body is a whole mail."""

    result: str
