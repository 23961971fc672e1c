"""Recipients of notifications."""

from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Channel = Literal["email", "push"]
CHANNELS: tuple[Channel, ...] = ("email", "push")


class Contract(BaseModel):
    """Immutable. Unknown fields are ignored, so that a writer may be of a newer release."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @cached_property
    def as_json(self) -> dict[str, Any]:
        """For a row or a message. Cached: do not change it."""
        return self.model_dump(mode="json")


class WebPushKeys(Contract):
    """RFC 8291: the browser's public key and shared secret, base64url."""

    p256dh: str
    auth: str


PushProvider = Literal["fcm", "web_push"]
PROVIDERS: tuple[PushProvider, ...] = ("fcm", "web_push")


class PushToken(Contract):
    """One device. `token` is the registration token (`fcm`) or the subscription's endpoint (`web_push`)."""

    provider: PushProvider = "fcm"
    token: str
    keys: WebPushKeys | None = None


class Preferences(Contract):
    """The channels that a user wants."""

    email: bool = True
    push: bool = True


class EmailRecipient(Contract):
    name: str
    email: str


class PushRecipient(Contract):
    name: str
    push_tokens: tuple[PushToken, ...] = Field(min_length=1)
