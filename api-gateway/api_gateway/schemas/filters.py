"""Query parameters of the lists."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api_gateway.schemas.recipients import SearchedAddress
from api_gateway.schemas.requests import TemplateVersion
from chassis.fields import ONLY_NUMBERS, InstantOrDate, Text
from chassis.http.paging import PageQuery
from contracts.recipients import Channel
from contracts.status import Status

Name = Field(default=None, max_length=200)


class CursorQuery(PageQuery):
    """A page by its number, or the page after `cursor`, which is faster in a large table."""

    page: int = Field(default=1, ge=1, le=10_000)
    cursor: UUID | None = Field(default=None, description="The last notification_id of the previous page")


class ListQuery(CursorQuery):
    """Filters; each one narrows the list."""

    user_id: UUID | None = None
    to: SearchedAddress | None = Field(
        default=None,
        description="Sent to this e-mail address or to this one device, by its token: named in `to`, or of a user who has "
        "it now. The latter for administrators, for keys with `users:read`, and for the user",
    )
    status: Status | None = None
    notification_type: Channel | None = None
    template_code: Text | None = Name
    request_id: Text | None = Name
    held_by: UUID | None = Field(default=None, description="Those that wait because of this hold")
    created_after: InstantOrDate | None = Field(
        default=None, description="From this time on; a date means its start, in UTC"
    )
    created_before: InstantOrDate | None = Field(
        default=None, description="Before this time; a date means its start, in UTC"
    )


class FailedQuery(CursorQuery):
    notification_type: Channel | None = None


class ReconcileQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    hours: int = Field(default=24, ge=1, le=8_760, description="How far back the ledgers are compared")
    recount: bool = Field(
        default=False,
        description="Count every row instead of using the running totals; takes seconds for millions of rows",
    )


class ReplayRequest(BaseModel):
    """The dead letters to try again: the named ones, or all that match the filters (oldest first, up to `limit`)."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"notification_type": "email", "error": "exhausted"}]}
    )

    notification_ids: list[UUID] | None = Field(default=None, max_length=1_000)
    notification_type: Channel | None = None
    error: str | None = Field(default=None, max_length=100, pattern=r"^[a-z0-9_]*$")
    template_version: TemplateVersion | None = Field(default=None, description="Null: the version that is active then")
    limit: Annotated[int, Field(ge=1, le=1_000), ONLY_NUMBERS] = 1_000
