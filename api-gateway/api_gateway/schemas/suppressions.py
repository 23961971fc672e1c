"""Query, bodies and answers of the suppression list."""

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from chassis.http.paging import PageQuery
from contracts.addresses import Email
from contracts.suppressions import (
    MAX_SUPPRESSIONS,
    BounceResult,
    SuppressionEntry,
    SuppressionReason,
    SuppressionsAdded,
)

ENTRY: JsonDict = {
    "fingerprint": "b5fc85e55755f9e0d030a14ab4429b6b2944855f66a0d8b6a9d5b3a3f2d5d9a1",
    "masked": "a***@example.com",
    "reason": "bounced",
    "origin": "bounce",
    "notification_id": "018f2f6e-0000-7000-8000-000000000001",
    "created_at": "2026-01-01T12:00:00Z",
}


class SuppressionQuery(PageQuery):
    """Filters; each one narrows the list."""

    page: int = Field(default=1, ge=1, le=10_000)
    reason: SuppressionReason | None = None


class SuppressionRequest(BaseModel):
    """Addresses that are to get no mail any more."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"emails": ["ada@example.com"], "reason": "manual"}]}
    )

    emails: list[Email] = Field(min_length=1, max_length=MAX_SUPPRESSIONS)
    reason: SuppressionReason = "manual"


class SuppressionView(SuppressionEntry):
    """An address that gets no mail. `fingerprint`: SHA-256 of the address in lower case. `origin`: `delivery` (refused while
    it was sent), `bounce`, `complaint`, or `api`. `notification_id`: whose mail showed it; null if no mail of ours did."""

    model_config = ConfigDict(json_schema_extra={"examples": [ENTRY]})


class SuppressionsView(SuppressionsAdded):
    """`added`: addresses that were not on the list before; the others keep their first reason."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"added": 1}]})


class ImportQuery(BaseModel):
    """`reason` is for the rows that name none."""

    model_config = ConfigDict(extra="forbid")

    reason: SuppressionReason = "manual"


class ExportQuery(BaseModel):
    """`reason`: only addresses that are suppressed for it."""

    model_config = ConfigDict(extra="forbid")

    reason: SuppressionReason | None = None


class ImportView(BaseModel):
    """`rows`: the addresses of the file. `added`: those that were not on the list before; the others keep their reason."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"rows": 2, "added": 1}]})

    rows: int
    added: int


class BounceView(BounceResult):
    """`hard`, `soft` and `complained` have consequences; `delayed`, `delivered`, `auto_reply`, `unrecognised`, `unmatched`
    (no notification of ours) and `unreadable` have none."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"result": "hard"}]})
