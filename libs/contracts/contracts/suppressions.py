"""Requests of the gateway about the e-mail service's suppression list, and about mails that came back."""

from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from contracts.addresses import Email
from contracts.recipients import Contract

MAX_SUPPRESSIONS = 1_000  # in one request
MAX_EXPORTED = 1_000  # in one page: about 200 kB
FINGERPRINT = r"^[0-9a-f]{64}$"  # SHA-256 of the address in lower case
MASKED = r"^[^\s@]?\*{3}(@[^\s@]{1,255})?$"  # a***@example.com

SuppressionReason = Literal["bounced", "complained", "manual"]


class SuppressionQuestion(Contract):
    """Query of `GET /internal/suppressions`: newest first."""

    reason: str | None = Field(default=None, max_length=50)
    limit: int = Field(ge=1, le=100)
    offset: int = Field(ge=0)


class SuppressionEntry(Contract):
    """An address that gets no mail. `fingerprint`: SHA-256 of the address in lower case. `origin`: who found it out.

    `notification_id`: whose mail showed it. None: no mail of ours did, or an earlier release added the address.
    """

    fingerprint: str
    masked: str
    reason: str
    origin: str
    notification_id: UUID | None = None
    created_at: datetime


class SuppressionFindings(Contract):
    entries: tuple[SuppressionEntry, ...]
    total: int


class SuppressionExportQuestion(Contract):
    """Query of `GET /internal/suppression-export`: the entries whose fingerprints follow `after`, in their order. So no page
    costs more than the first, and what is added or removed meanwhile shifts nothing.
    """

    reason: str | None = Field(default=None, max_length=50)
    after: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    limit: int = Field(ge=1, le=MAX_EXPORTED)


class SuppressionExportPage(Contract):
    """Fewer than `limit` entries: the last page."""

    entries: tuple[SuppressionEntry, ...]


class ExportedAddress(Contract):
    """An address as an export has it. `masked` only shows people which one it may be."""

    fingerprint: str = Field(pattern=FINGERPRINT)
    masked: str = Field(default="***", pattern=MASKED)


class NewSuppressions(Contract):
    """Body of `POST /internal/suppressions`: `emails` or `exported`. Workers of earlier releases refuse a body without
    `emails`.
    """

    emails: tuple[Email, ...] = Field(default=(), max_length=MAX_SUPPRESSIONS)
    exported: tuple[ExportedAddress, ...] = Field(default=(), max_length=MAX_SUPPRESSIONS)
    reason: SuppressionReason = "manual"

    @model_validator(mode="after")
    def _has_one_kind(self) -> Self:
        if bool(self.emails) is bool(self.exported):
            raise ValueError("Either emails or exported")
        return self


class SuppressionsAdded(Contract):
    """`added`: addresses that were not on the list before; the others keep their first reason."""

    added: int


class BounceResult(Contract):
    """The answer of `POST /internal/bounces`, whose body is a whole mail."""

    result: str
