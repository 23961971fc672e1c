"""Query and answer models of the audit events, for administrators."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from chassis.audit import AuditEvent
from chassis.fields import InstantOrDate, Text
from chassis.http.envelope import Meta, Page

Owner = Literal["api-gateway", "user-service", "template-service"]
"""The services that keep an audit trail."""

EVENT: JsonDict = {
    "id": "01997a5c-3f6e-7c1a-9b1e-0d1f2a3b4c5d",
    "occurred_at": "2026-01-01T12:00:00.110Z",
    "service": "user-service",
    "actor": "user:123e4567-e89b-12d3-a456-426614174000",
    "api_key_id": None,
    "address": "192.0.2.1",
    "action": "application.changed",
    "target": "application:01997a5c-1111-7c1a-9b1e-0d1f2a3b4c5d",
    "before": {"rate_limit_per_minute": 600},
    "after": {"rate_limit_per_minute": 6000},
    "correlation_id": "8f14e45f-ceea-467f-a9d1-5b6a3c1d2e0f",
}
META: JsonDict = {
    "total": 1, "limit": 20, "page": 1, "total_pages": 1, "has_next": False, "has_previous": False, "unavailable": [],
}  # fmt: skip


class AuditQuery(BaseModel):
    """Filters; each one narrows the list."""

    model_config = ConfigDict(extra="forbid")

    actor: Text | None = Field(
        default=None,
        max_length=200,
        description="`user:<id>`, `key:<id of an application>`, `service:<name>`, `command` or `anonymous`",
    )
    action: Text | None = Field(default=None, max_length=200, description="For example `user.disabled`")
    target: Text | None = Field(
        default=None, max_length=200, description="For example `user:<id>` or `template:<code>`"
    )
    service: Owner | None = Field(default=None, description="The service in which the event happened")
    since: InstantOrDate | None = Field(default=None, description="From this time on; a date means its start, in UTC")
    until: InstantOrDate | None = Field(default=None, description="Before this time; a date means its start, in UTC")
    limit: int = Field(default=20, ge=1, le=100)
    cursor: UUID | None = Field(default=None, description="The last id of the previous page")


class AuditEventView(AuditEvent):
    """`actor` did `action` to `target`, from `address`. `before` and `after` hold the changed fields only.

    A personal value is replaced by its fingerprint, `hmac:…`, which is equal for equal values.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [EVENT]})

    service: Owner


class AuditMeta(Meta):
    """The position of the page among the events that could be read."""

    model_config = ConfigDict(json_schema_extra={"examples": [META]})

    unavailable: list[Owner] = Field(description="Services that did not answer; their events are missing here")


class AuditPage(Page[AuditEventView]):
    """One page of the events of all services."""

    meta: AuditMeta
