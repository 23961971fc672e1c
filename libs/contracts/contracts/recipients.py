"""Whom a notification goes to."""

from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Channel = Literal["email", "push"]
CHANNELS: tuple[Channel, ...] = ("email", "push")


class Contract(BaseModel):
    """Immutable; fields that a reader does not know are ignored, so that a writer may be newer."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @cached_property
    def as_json(self) -> dict[str, Any]:
        """For a row or a message. Written once, so not to be changed."""
        return self.model_dump(mode="json")


class WebPushKeys(Contract):
    """RFC 8291: the browser's public key and shared secret, base64url."""

    p256dh: str
    auth: str


class PushToken(Contract):
    """One device. For `fcm`, `token` is the registration token; for `web_push`, the subscription's endpoint."""

    provider: Literal["fcm", "web_push"] = "fcm"
    token: str
    keys: WebPushKeys | None = None


class Preferences(Contract):
    """Which channels a user wants."""

    email: bool = True
    push: bool = True


class EmailRecipient(Contract):
    name: str
    email: str


class PushRecipient(Contract):
    name: str
    push_tokens: tuple[PushToken, ...] = Field(min_length=1)
