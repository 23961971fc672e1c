"""What clients send."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticKnownError

from api_gateway.schemas.email_options import EmailOptions
from api_gateway.schemas.overrides import EXAMPLE as OVERRIDES_EXAMPLE
from api_gateway.schemas.overrides import NotificationOverrides
from api_gateway.schemas.recipients import ConditionTo, DevicesTo, EmailTo, To, TopicTo, by_kind
from chassis.fields import ONLY_NUMBERS, Instant, Text
from chassis.json_values import JsonObject
from contracts.fields import Language
from contracts.messages import DeliveryGuarantee
from contracts.recipients import Channel, EmailRecipient, PushRecipient

RequestId = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")]

TemplateCode = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$")]
TemplateVersion = Annotated[int, Field(ge=1, le=2**31 - 1), ONLY_NUMBERS]

EXAMPLE: JsonDict = {
    "notification_type": "email",
    "user_id": "123e4567-e89b-12d3-a456-426614174000",
    "template_code": "welcome_email",
    "variables": {"name": "John Doe", "link": "https://example.com/verify", "meta": {"order_id": "12345"}},
    "request_id": "req_unique_123",
    "priority": 5,
    "metadata": {"campaign": "welcome"},
}
PUSH_EXAMPLE: JsonDict = {
    "notification_type": "push",
    "user_id": "123e4567-e89b-12d3-a456-426614174000",
    "template_code": "order_sent",
    "variables": {"order": "A-1"},
    "overrides": OVERRIDES_EXAMPLE,
}


class NotificationRequest(BaseModel):
    """One notification to accept. Unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", json_schema_extra={"examples": [EXAMPLE, PUSH_EXAMPLE]})

    notification_type: Channel
    to: Annotated[To, BeforeValidator(by_kind)] | None = Field(
        default=None,
        description="In place of `user_id`: an address, devices, or an FCM topic or condition, which the system need not "
        "know. No preferences apply",
    )
    user_id: UUID | None = Field(default=None, validate_default=True, description="Required without `to`")
    template_code: TemplateCode
    template_version: TemplateVersion | None = Field(
        default=None, description="Exactly this version, in the chosen language; null: the active version"
    )
    variables: JsonObject = Field(default_factory=JsonObject.empty, description="Any JSON object, up to 64 KiB")
    request_id: RequestId | None = Field(
        default=None, description="Makes the request idempotent; the Idempotency-Key header is an alias"
    )
    priority: Annotated[int, Field(ge=1, le=10), ONLY_NUMBERS] = Field(default=5, description="10 is sent first")
    metadata: JsonObject = Field(
        default_factory=JsonObject.empty, description="Kept with the notification, up to 16 KiB"
    )
    language: Language | None = None
    send_at: Instant | None = Field(default=None, description="Do not send before this time")
    expires_at: Instant | None = Field(default=None, description="Do not send after this time")
    delivery_guarantee: DeliveryGuarantee = Field(
        default="at_least_once",
        description="What to do when the provider may have accepted the message and its answer was lost: send again with the "
        "same Message-ID (at_least_once), or end as `unknown` (at_most_once)",
    )
    overrides: NotificationOverrides | None = Field(
        default=None, description="Changes of this notification's message, by channel"
    )

    email: EmailOptions | None = Field(
        default=None,
        description="Copies, a Reply-To, attachments and provider's options of an e-mail; in a batch, files by `url` only",
    )

    @property
    def copies(self) -> list[str]:
        """The addresses that get a copy."""
        return [] if self.email is None else self.email.copies

    @property
    def names_urls(self) -> bool:
        """Whether an attachment is to be fetched."""
        return self.email is not None and self.email.names_urls

    @property
    def given_recipient(self) -> EmailRecipient | PushRecipient | None:
        return None if self.to is None else self.to.recipient

    @field_validator("to")
    @classmethod
    def _fits_the_channel(cls, to: To | None, info: ValidationInfo) -> To | None:
        channel = info.data.get("notification_type")
        if to is not None and channel is not None and (channel == "email") != isinstance(to, EmailTo):
            raise ValueError(f"has no {'email' if channel == 'email' else 'push_tokens'}, and this goes by {channel}")
        return to

    @field_validator("overrides")
    @classmethod
    def _can_be_used(
        cls, overrides: NotificationOverrides | None, info: ValidationInfo
    ) -> NotificationOverrides | None:
        channel = info.data.get("notification_type")
        if overrides is not None and channel is not None:
            overrides.check_for(channel, topic=isinstance(info.data.get("to"), TopicTo | ConditionTo))
            if "to" in info.data:  # else its own error says why
                overrides.check_recipient(is_apple=isinstance(info.data["to"], DevicesTo) and info.data["to"].is_apple)
        return overrides

    @field_validator("user_id")
    @classmethod
    def _is_given_once(cls, user_id: UUID | None, info: ValidationInfo) -> UUID | None:
        if "to" not in info.data:  # it is not valid, and its own error says why
            return user_id
        if user_id is None and info.data["to"] is None:
            raise PydanticKnownError("missing")
        if user_id is not None and info.data["to"] is not None:
            raise ValueError("is left out when `to` is given")
        return user_id

    @field_validator("email")
    @classmethod
    def _is_for_email(cls, email: EmailOptions | None, info: ValidationInfo) -> EmailOptions | None:
        if email is None or email.is_empty:
            return None
        if info.data.get("notification_type", "email") != "email":
            raise ValueError("is for e-mail, and this goes by push")
        return email

    @field_validator("expires_at")
    @classmethod
    def _after_it_is_sent(cls, expires_at: datetime | None, info: ValidationInfo) -> datetime | None:
        """The current time is not checked here: a repeat gets the first answer, even after `expires_at`."""
        send_at = info.data.get("send_at")
        if expires_at is not None and send_at is not None and expires_at <= send_at:
            raise ValueError("must lie after send_at")
        return expires_at


class BatchRequest(BaseModel):
    """Each notification is accepted or refused on its own. A bare list is accepted, too."""

    notifications: list[NotificationRequest] = Field(min_length=1, max_length=1_000)


class StatusReport(BaseModel):
    """A provider's or worker's report on a notification: the body of its status callback."""

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={
            "examples": [
                {
                    "notification_id": "req_123456",
                    "status": "delivered",
                    "timestamp": "2026-01-01T12:00:00Z",
                    "error": None,
                }
            ]
        },
    )

    notification_id: Text = Field(min_length=1, max_length=200, description="The notification's id or its request_id")
    status: Literal["delivered", "pending", "failed"]
    timestamp: Instant | None = Field(
        default=None, description="Time of the event by the reporter's clock; kept in addition to our own times"
    )
    error: Text | None = Field(default=None, max_length=2_000)


class RetryRequest(BaseModel):
    """How to try again. Without a body: with the version that is active then."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"template_version": 2}]})

    template_version: TemplateVersion | None = Field(default=None, description="Null: the version that is active then")
