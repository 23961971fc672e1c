"""Query parameters of the lists."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api_gateway.schemas.requests import TemplateVersion
from chassis.fields import ONLY_NUMBERS, InstantOrDate, Text
from contracts.recipients import Channel
from contracts.status import Status

Name = Field(default=None, max_length=200)


class ListQuery(BaseModel):
    """Filters; every one narrows the list."""

    model_config = ConfigDict(extra="forbid")

    user_id: UUID | None = None
    status: Status | None = None
    notification_type: Channel | None = None
    template_code: Text | None = Name
    request_id: Text | None = Name
    created_after: InstantOrDate | None = Field(default=None, description="From then on; a date is its start, in UTC")
    created_before: InstantOrDate | None = Field(default=None, description="Before then; a date is its start, in UTC")
    limit: int = Field(default=20, ge=1, le=100)
    page: int = Field(default=1, ge=1, le=10_000)
    cursor: UUID | None = Field(default=None, description="The last notification_id of the page before")


class FailedQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    notification_type: Channel | None = None
    limit: int = Field(default=20, ge=1, le=100)
    page: int = Field(default=1, ge=1, le=10_000)
    cursor: UUID | None = None


class ReconcileQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    hours: int = Field(default=24, ge=1, le=8_760, description="How far back the ledgers are compared")
    recount: bool = Field(
        default=False, description="Read every row instead of the running totals: seconds for millions"
    )


class ReplayRequest(BaseModel):
    """Which dead letters to try again: those named, or all that the filters let through (oldest first, up to `limit`)."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"notification_type": "email", "error": "exhausted"}]}
    )

    notification_ids: list[UUID] | None = Field(default=None, max_length=1_000)
    notification_type: Channel | None = None
    error: str | None = Field(default=None, max_length=100, pattern=r"^[a-z0-9_]*$")
    template_version: TemplateVersion | None = Field(default=None, description="Null: the version that is active now")
    limit: Annotated[int, Field(ge=1, le=1_000), ONLY_NUMBERS] = 1_000
