"""Bodies, queries and answers of holds."""

from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from api_gateway.schemas.requests import TemplateCode
from chassis.fields import Text
from chassis.http.paging import PageQuery
from contracts.recipients import Channel

HOLD: JsonDict = {
    "hold_id": "01997a5c-3f6e-7c1a-9b1e-0d1f2a3b4c5d",
    "template_code": "welcome_email",
    "application_id": None,
    "test": None,
    "notification_type": None,
    "provider": None,
    "reason": "wrong price in the mail",
    "status": "standing",
    "held": 1204,
    "held_by_channel": {"email": 1204},
    "oldest_held_at": "2026-01-01T11:59:58Z",
    "created_by": "user:123e4567-e89b-12d3-a456-426614174000",
    "created_at": "2026-01-01T12:00:00Z",
    "ended_by": None,
    "ended_at": None,
    "template_version": None,
    "active_version": False,
}


class HoldRequest(BaseModel):
    """What to hold: the notifications that match every field that is given, at least one; or a provider."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"template_code": "welcome_email", "reason": "wrong price in the mail"}]},
    )

    template_code: TemplateCode | None = Field(default=None, description="Of this template, in every version")
    application_id: UUID | None = Field(
        default=None, description="Of this application; a key that is not an administrator's always holds its own"
    )
    notification_type: Channel | None = Field(default=None, description="On this channel")
    provider: str | None = Field(
        default=None,
        pattern=r"^[a-z][a-z0-9_]{0,31}$",
        description="A provider by the name that notifications have as `provider`: fcm, apns, apns_sandbox, web_push, "
        "smtp, or one of EMAIL_PROVIDERS. For administrators, and without the other fields",
    )
    reason: Text = Field(min_length=1, max_length=500, description="For people: why, and who knows more")

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        about_notifications = (self.template_code, self.application_id, self.notification_type)
        if self.provider is not None and any(about_notifications):
            raise ValueError("a provider is held as a whole: give no other field")
        if self.provider is None and not any(about_notifications):
            raise ValueError("give a template_code, an application_id, a notification_type or a provider")
        return self


class HoldQuery(PageQuery):
    page: int = Field(default=1, ge=1, le=10_000)
    standing: bool | None = Field(default=None, description="Only those that stand, or only those that have ended")


class ReleaseQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    template_version: int | None = Field(
        default=None,
        ge=1,
        le=2**31 - 1,
        description="Send this version in place of the version that each was accepted with",
    )
    active_version: bool = Field(default=False, description="Send the version that is active then")

    @model_validator(mode="after")
    def _is_one_version(self) -> Self:
        if self.active_version and self.template_version is not None:
            raise ValueError("give a template_version or active_version")
        return self


class HoldView(BaseModel):
    """A hold. `test`: it is for the application's test keys, or for its live keys; null: for both.

    `releasing` and `cancelling`: it has ended, and `held` notifications are left to be released or cancelled.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [HOLD]})

    hold_id: UUID
    template_code: str | None
    application_id: UUID | None
    test: bool | None
    notification_type: Channel | None
    provider: str | None
    reason: str
    status: Literal["standing", "releasing", "released", "cancelling", "cancelled"]
    held: int = Field(description="Notifications that wait now because of this hold; 0 for a provider")
    held_by_channel: dict[Channel, int]
    oldest_held_at: datetime | None = Field(description="When the oldest of these was accepted")
    created_by: str
    created_at: datetime
    ended_by: str | None
    ended_at: datetime | None
    template_version: int | None = Field(description="Released with this version; null: with none that was named")
    active_version: bool = Field(description="Released with the version that was active then")
