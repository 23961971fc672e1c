"""Recipients of notifications."""

from functools import cached_property
from hashlib import sha256
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Channel = Literal["email", "push"]
APNS_TOKEN = r"(?:[0-9a-f]{2}){32,100}"  # noqa: S105 - its form: 32 bytes today, perhaps more one day
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


PushProvider = Literal["fcm", "web_push", "apns"]
PROVIDERS: tuple[PushProvider, ...] = ("fcm", "web_push", "apns")
PushTokenKind = Literal["token", "topic", "condition"]
ApnsEnvironment = Literal["production", "sandbox"]


class PushToken(Contract):
    """One device. `token` is the registration token (`fcm`), the subscription's endpoint (`web_push`), or the device token in
    hex (`apns`).

    FCM's topics and conditions, which stand for many devices, have another `kind`, and their text as the token.
    `environment`: where the token of an Apple device is valid; None: in the push service's APNS_ENVIRONMENT. Services of the
    previous release omit it.
    """

    provider: PushProvider = "fcm"
    token: str
    kind: PushTokenKind = "token"
    keys: WebPushKeys | None = None
    environment: ApnsEnvironment | None = None


FINGERPRINT_CHARACTERS = 32  # 128 bits: no two devices of a person have the same one


def device_fingerprint(provider: str, token: str) -> str:
    """Names a device without its token: in the ledger, in reports, in the API, and after the token was deleted."""
    return sha256(f"{provider}:{token}".encode()).hexdigest()[:FINGERPRINT_CHARACTERS]


class Preferences(Contract):
    """The channels that a user wants, and the purposes whose e-mails they have unsubscribed from."""

    email: bool = True
    push: bool = True
    unsubscribed: tuple[str, ...] = ()


class EmailRecipient(Contract):
    """`unsubscribed`: the purposes whose e-mails the user does not want."""

    name: str
    email: str
    unsubscribed: tuple[str, ...] = ()


class PushRecipient(Contract):
    name: str
    push_tokens: tuple[PushToken, ...] = Field(min_length=1)
