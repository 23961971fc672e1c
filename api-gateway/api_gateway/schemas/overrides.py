"""What a caller may change in one notification's message, by channel."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.config import JsonDict

from api_gateway.schemas.live_activities import LiveActivityOptions
from chassis.fields import ONLY_NUMBERS, Text, TrueOrFalse, unkeepable
from contracts.fields import one_line
from contracts.overrides import InterruptionLevel, Urgency, Visibility

MAX_TTL_SECONDS = 28 * 24 * 3600  # FCM and push services refuse more
# The data alone must fit beside the notification's id, which every message has. Titles and texts are known to workers only.
MAX_DATA_BYTES = 4_096 - len("notification_id") - 36
MAX_TOPIC_DATA_BYTES = MAX_DATA_BYTES - 2_048  # messages to topics may have half the size
# Keys that the FCM SDKs keep from the app, keys of ours, and Apple's own.
RESERVED = frozenset(
    {"from", "message_type", "collapse_key", "notification_id", "correlation_id", "link", "image", "aps"}
)
RESERVED_BEGINNINGS = ("google.", "gcm.")
MAX_KEY = 200


def _keys_arrive(data: dict[str, str]) -> dict[str, str]:
    """Returns the data. Raises ValueError for a key that would not reach the app."""
    for key in data:
        if not key or len(key) > MAX_KEY or unkeepable(key):
            raise ValueError(f"has a key that is empty, longer than {MAX_KEY} characters, or cannot be stored")
        if key in RESERVED or key.startswith(RESERVED_BEGINNINGS):
            raise ValueError(f"has the reserved key {key}")
    return data


Line = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(one_line)]
HttpsUrl = Annotated[
    str,
    Field(
        max_length=2_048,
        pattern=r"^https://[A-Za-z0-9.\-]+(:\d{1,5})?([/?#][!-~]*)?$",
        examples=["https://example.com/a.png"],
    ),
]
Data = Annotated[dict[str, Text], AfterValidator(_keys_arrive)]


def _leave_out(name: str, chosen: object | None, others: dict[str, object]) -> None:
    """Raises ValueError if `chosen` is given and one of `others`, too."""
    given = ", ".join(sorted(other for other, value in others.items() if value is not None))
    if chosen is not None and given:
        raise ValueError(f"goes without these if it has {name}: {given}")


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AndroidOptions(_Options):
    """Android devices, over FCM."""

    channel_id: Line | None = Field(default=None, description="The notification channel; the app must have created it")
    click_action: Line | None = Field(default=None, description="The intent filter of the activity that a tap opens")
    icon: Line | None = Field(default=None, description="A drawable of the app")
    color: Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")] | None = Field(default=None, description="#rrggbb")
    visibility: Visibility | None = Field(default=None, description="On the lock screen")


class ApnsOptions(_Options):
    """Apple devices, over APNs and over FCM."""

    subtitle: Line | None = None
    category: Line | None = Field(default=None, description="Chooses the actions that the app declared")
    thread_id: Line | None = Field(default=None, description="Groups notifications")
    interruption_level: InterruptionLevel | None = None
    relevance_score: Annotated[float, Field(ge=0, le=1, strict=True)] | None = Field(
        default=None, description="The highest one leads the summary"
    )
    mutable_content: TrueOrFalse | None = Field(
        default=None, description="Calls the app's notification service extension; an image does so anyway"
    )
    live_activity: LiveActivityOptions | None = Field(
        default=None, description="Updates or ends a Live Activity in place of a notification; over APNs only"
    )

    @model_validator(mode="after")
    def _live_activity_is_alone(self) -> Self:
        others = self.model_fields_set - {"live_activity"}
        _leave_out("live_activity", self.live_activity, {name: getattr(self, name) for name in others})
        return self


class WebPushActionOption(_Options):
    """A button."""

    action: Line
    title: Line
    navigate: HttpsUrl | None = Field(default=None, description="The address that it opens; Safari only")
    icon: HttpsUrl | None = None


class WebPushOptions(_Options):
    """Browsers, over Web Push and over FCM."""

    actions: list[WebPushActionOption] | None = Field(default=None, max_length=3)
    icon: HttpsUrl | None = None
    require_interaction: TrueOrFalse | None = Field(default=None, description="Stays until somebody acts on it")
    silent: TrueOrFalse | None = Field(default=None, description="No sound, no vibration")
    urgency: Urgency | None = Field(default=None, description="Null: by the priority")


class PushOptions(_Options):
    """Push: every device, and then what only one platform has."""

    data: Data | None = Field(default=None, description="For the app: names and texts")
    image: HttpsUrl | None = Field(default=None, description="In place of the template's")
    sound: Line | None = Field(default=None, description="A sound of the app, or `default`; phones only")
    badge: Annotated[int, Field(ge=0, le=2**31 - 1), ONLY_NUMBERS] | None = Field(
        default=None, description="The number on the app's icon; 0 removes it on Apple devices and in browsers"
    )
    collapse_key: Annotated[str, Field(pattern=r"^[!-~]{1,64}$")] | None = Field(
        default=None, description="A newer message with this key replaces an older one, on its way and on the device"
    )
    ttl_seconds: Annotated[int, Field(ge=0, le=MAX_TTL_SECONDS), ONLY_NUMBERS] | None = Field(
        default=None, description="For how long providers store it for a device that is offline; 0: now or never"
    )
    analytics_label: Annotated[str, Field(pattern=r"^[a-zA-Z0-9\-_.~%]{1,50}$")] | None = Field(
        default=None, description="For Firebase's reports"
    )
    content_available: TrueOrFalse | None = Field(
        default=None, description="True: a background message. The app gets the data, and nothing is shown"
    )
    android: AndroidOptions | None = None
    apns: ApnsOptions | None = None
    web_push: WebPushOptions | None = None

    @property
    def data_bytes(self) -> int:
        return sum(len(key.encode()) + len(text.encode()) for key, text in (self.data or {}).items())

    @model_validator(mode="after")
    def _background_shows_nothing(self) -> Self:
        shown = [
            name
            for name in ("image", "sound", "badge", "android", "apns", "web_push")
            if getattr(self, name) is not None
        ]
        if self.content_available and shown:
            raise ValueError(f"a background message (content_available) shows nothing: leave out {', '.join(shown)}")
        return self

    @model_validator(mode="after")
    def _live_activity_takes_little(self) -> Self:
        activity = self.live_activity
        useful = {"apns", "collapse_key", "ttl_seconds", *(("sound",) if activity and activity.alert else ())}
        others = sorted(self.model_fields_set - useful)
        _leave_out("apns.live_activity", activity, {name: getattr(self, name) for name in others})
        return self

    @property
    def live_activity(self) -> LiveActivityOptions | None:
        return None if self.apns is None else self.apns.live_activity


EXAMPLE: JsonDict = {
    "push": {
        "data": {"order_id": "A-1"},
        "badge": 3,
        "sound": "default",
        "collapse_key": "order-A-1",
        "ttl_seconds": 3600,
        "android": {"channel_id": "orders"},
        "apns": {"thread_id": "orders", "interruption_level": "time-sensitive"},
    }
}


class NotificationOverrides(_Options):
    """Changes of this notification's message, by channel. Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    push: PushOptions | None = None

    def check_for(self, channel: str, *, topic: bool) -> None:
        """Raises ValueError if it cannot be used for this channel, or never fits into a message. `topic`: to many devices."""
        if self.push is None:
            return
        if channel != "push":
            raise ValueError(f"has options for push, and this goes by {channel}")
        limit = MAX_TOPIC_DATA_BYTES if topic else MAX_DATA_BYTES
        if self.push.data_bytes > limit:
            whole = 2_048 if topic else 4_096
            raise ValueError(
                f"has {self.push.data_bytes} bytes of data; beside the notification's id there is room for {limit} of the "
                f"{whole} bytes that providers take, and title and text need some of them"
            )

    def check_recipient(self, *, is_apple: bool) -> None:
        """Raises ValueError unless it can be the recipient of the options. `is_apple`: it has tokens of APNs only."""
        if self.push is not None and self.push.live_activity is not None and not is_apple:
            raise ValueError(
                'has a Live Activity, so `to` needs its push_tokens, each {"provider": "apns", "token": …}'
            )

    @property
    def as_json(self) -> dict[str, Any] | None:
        """What was given; None: nothing."""
        given = self.model_dump(mode="json", exclude_none=True)
        return given if any(given.values()) else None

    def as_kept(self, at: datetime) -> dict[str, Any] | None:
        """Like `as_json`, for a row or a message. `at`: when the notification may be sent, the order of updates."""
        given = self.as_json
        if given is not None and self.push is not None and self.push.live_activity is not None:
            activity = given["push"]["apns"]["live_activity"]
            activity.setdefault("timestamp", at.isoformat())
        return given
