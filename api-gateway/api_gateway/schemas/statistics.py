"""Query and answer of the statistics."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from api_gateway.schemas.answers import ID
from contracts.recipients import Channel
from contracts.status import Status

LATENCY: JsonDict = {"p50": 0.12, "p95": 0.4}
STEP: JsonDict = {
    "at": "2026-01-01T11:01:00Z", "accepted": 120, "sent": 118, "delivered": 90, "failed": 1, "in_work": 1,
    "latency": LATENCY,
}  # fmt: skip
STATISTICS: JsonDict = {
    "period": "hour",
    "step_seconds": 60,
    "since": "2026-01-01T11:01:00Z",
    "until": "2026-01-01T12:00:30.5Z",
    "counted_since": None,
    "balance": {"accepted": 120, "final": 119, "in_work": 1, "difference": 0},
    "by_status": {"queued": 1, "sent": 28, "delivered": 90, "failed": 1},
    "held": 0,
    "latency": LATENCY,
    "oldest_waiting": {
        "notification_id": ID,
        "notification_type": "email",
        "status": "queued",
        "since": "2026-01-01T12:00:30.1Z",
        "seconds": 0.4,
    },
    "steps": [STEP],
}


class StatisticsQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    period: Literal["hour", "day", "week"] = Field(
        default="hour", description="An hour by minute, a day by quarter of an hour, or a week by two hours, until now"
    )
    notification_type: Channel | None = Field(default=None, description="On this channel only")
    application_id: UUID | None = Field(
        default=None, description="Of this application only; a key that is not an administrator's has its own only"
    )


class Latency(BaseModel):
    """Seconds from acceptance (or `send_at`) to sent, within an eighth: half and 95 % of the notifications took at most so
    long. Null: none was sent."""

    model_config = ConfigDict(json_schema_extra={"examples": [LATENCY]})

    p50: float | None
    p95: float | None


class StatisticsStep(BaseModel):
    """The notifications that were accepted from `at` on, and their status now: `sent` counts all that a provider took
    and that did not come back, `delivered` those of them whose delivery was confirmed."""

    model_config = ConfigDict(json_schema_extra={"examples": [STEP]})

    at: datetime
    accepted: int
    sent: int
    delivered: int
    failed: int
    in_work: int
    latency: Latency


class Balance(BaseModel):
    """`accepted` was counted when accepting, the others as notifications change status: `difference` must be 0."""

    accepted: int
    final: int = Field(description="Sent, delivered, failed, suppressed, cancelled, expired or unknown")
    in_work: int = Field(description="Pending or queued")
    difference: int


class OldestWaiting(BaseModel):
    """Neither scheduled for later nor held; it waits since `since`."""

    notification_id: UUID
    notification_type: Channel
    status: Status
    since: datetime
    seconds: float


class StatisticsView(BaseModel):
    """The notifications that were accepted from `since` to `until`, and their status at `until`: nothing is missing."""

    model_config = ConfigDict(json_schema_extra={"examples": [STATISTICS]})

    period: Literal["hour", "day", "week"]
    step_seconds: int = Field(description="Length of each of the `steps`")
    since: datetime
    until: datetime
    counted_since: datetime | None = Field(
        description="Earlier notifications of the period are not counted, as an older release accepted them; null: all are"
    )
    balance: Balance
    by_status: dict[Status, int]
    held: int = Field(description="Of the pending ones, those that wait because of a hold")
    latency: Latency
    oldest_waiting: OldestWaiting | None = Field(
        description="Whenever it was accepted, of the first thousand of each priority; null: none of them waits"
    )
    steps: list[StatisticsStep] = Field(description="Oldest first")
