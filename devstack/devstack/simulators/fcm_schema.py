"""FCM's message as HTTP v1 documents it: unknown fields and values of another type are refused.

Source: firebase.google.com/docs/reference/fcm/rest/v1/projects.messages
"""

import ast
import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, model_validator

PAYLOAD_LIMIT, TOPIC_PAYLOAD_LIMIT = 4096, 2048
MAX_TTL_SECONDS = 28 * 24 * 3600
MAX_TOPICS = 5
_RESERVED = ("from", "message_type")
_RESERVED_PREFIXES = ("google.", "gcm.")
_TOPIC = r"[a-zA-Z0-9\-_.~%]+"


def _not_reserved(key: str) -> str:
    if key in _RESERVED or key.startswith(_RESERVED_PREFIXES):
        raise ValueError(f"Invalid data payload key: {key}")
    return key


def _at_most_four_weeks(ttl: str) -> str:
    if float(ttl.rstrip("s")) > MAX_TTL_SECONDS:
        raise ValueError("must not exceed 4 weeks")
    return ttl


def _is_condition(condition: str) -> str:
    """Read as Python would read it: the operators have the same precedence."""
    text, topics = re.subn(f"'{_TOPIC}' in topics", "x", condition)
    for theirs, ours in (("&&", " and "), ("||", " or "), ("!", " not ")):
        text = text.replace(theirs, ours)
    try:
        nodes = ast.walk(ast.parse(text.strip(), mode="eval"))
    except SyntaxError:
        raise ValueError("Invalid condition expression provided.") from None
    known = ast.Expression | ast.BoolOp | ast.And | ast.Or | ast.UnaryOp | ast.Not | ast.Name | ast.Load
    if not 1 <= topics <= MAX_TOPICS or not all(isinstance(node, known) for node in nodes):
        raise ValueError("Invalid condition expression provided.")
    return condition


Data = dict[Annotated[str, AfterValidator(_not_reserved)], str]
Label = Annotated[str, Field(pattern=r"^[a-zA-Z0-9\-_.~%]{1,50}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Notification(_Part):
    title: str = ""
    body: str = ""
    image: str = ""


class FcmOptions(_Part):
    analytics_label: Label = ""


class AndroidNotification(_Part):
    title: str = ""
    body: str = ""
    icon: str = ""
    color: Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")] = "#000000"
    sound: str = ""
    tag: str = ""
    click_action: str = ""
    body_loc_key: str = ""
    body_loc_args: list[str] = Field(default_factory=list)
    title_loc_key: str = ""
    title_loc_args: list[str] = Field(default_factory=list)
    channel_id: str = ""
    ticker: str = ""
    sticky: bool = False
    event_time: str = ""
    local_only: bool = False
    notification_priority: Annotated[str, Field(pattern=r"^PRIORITY_(UNSPECIFIED|MIN|LOW|DEFAULT|HIGH|MAX)$")] = (
        "PRIORITY_UNSPECIFIED"
    )
    default_sound: bool = False
    default_vibrate_timings: bool = False
    default_light_settings: bool = False
    vibrate_timings: list[str] = Field(default_factory=list)
    visibility: Literal["VISIBILITY_UNSPECIFIED", "PRIVATE", "PUBLIC", "SECRET"] = "VISIBILITY_UNSPECIFIED"
    notification_count: int = 0
    light_settings: JsonValue = None
    image: str = ""
    proxy: Literal["PROXY_UNSPECIFIED", "ALLOW", "DENY", "IF_PRIORITY_LOWERED"] = "PROXY_UNSPECIFIED"
    bypass_proxy_notification: bool = False


class Android(_Part):
    """`ttl` is a duration in the JSON form of protocol buffers."""

    collapse_key: str = ""
    priority: Literal["NORMAL", "HIGH", "normal", "high"] = "NORMAL"
    ttl: Annotated[str, Field(pattern=r"^\d+(\.\d{1,9})?s$"), AfterValidator(_at_most_four_weeks)] = "0s"
    restricted_package_name: str = ""
    data: Data = Field(default_factory=dict)
    notification: AndroidNotification | None = None
    fcm_options: FcmOptions | None = None
    direct_boot_ok: bool = False
    bandwidth_constrained_ok: bool = False
    restricted_satellite_ok: bool = False


class WebPushFcmOptions(FcmOptions):
    link: Annotated[str, Field(pattern=r"^https://")] = "https://a.example"


class WebPush(_Part):
    """`notification` is passed on to the browser as it is."""

    headers: dict[str, str] = Field(default_factory=dict)
    data: Data = Field(default_factory=dict)
    notification: dict[str, JsonValue] | None = None
    fcm_options: WebPushFcmOptions | None = None


class Aps(BaseModel):
    """FCM checks the types of Apple's keys, and passes on the others."""

    model_config = ConfigDict(extra="allow", strict=True)

    alert: str | dict[str, JsonValue] = ""
    badge: int = 0
    sound: str | dict[str, JsonValue] = ""
    category: str = ""
    thread_id: str = Field(default="", alias="thread-id")
    content_available: Literal[0, 1] = Field(default=0, alias="content-available")
    mutable_content: Literal[0, 1] = Field(default=0, alias="mutable-content")


class ApplePayload(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)

    aps: Aps


class AppleFcmOptions(FcmOptions):
    image: str = ""


class Apple(_Part):
    headers: dict[str, str] = Field(default_factory=dict)
    payload: ApplePayload | None = None
    fcm_options: AppleFcmOptions | None = None
    live_activity_token: str = ""


class PushMessage(_Part):
    """One target per request; the values of `data` are strings."""

    token: Annotated[str, Field(min_length=1)] | None = None
    topic: Annotated[str, Field(pattern=f"^{_TOPIC}$")] | None = None
    condition: Annotated[str, AfterValidator(_is_condition)] | None = None
    notification: Notification = Notification()
    data: Data = Field(default_factory=dict)
    name: str = ""
    android: Android | None = None
    webpush: WebPush | None = None
    apns: Apple | None = None
    fcm_options: FcmOptions | None = None

    @property
    def recipient(self) -> str:
        """Topics as the Android SDK names them."""
        return self.token or self.condition or f"/topics/{self.topic}"

    @property
    def payload_size(self) -> int:
        """Keys and values, in bytes."""
        shown = self.notification
        pairs = [("title", shown.title), ("body", shown.body), ("image", shown.image), *self.data.items()]
        return sum(len(key.encode()) + len(value.encode()) for key, value in pairs if value)

    @property
    def payload_limit(self) -> int:
        return TOPIC_PAYLOAD_LIMIT if self.token is None else PAYLOAD_LIMIT

    @model_validator(mode="after")
    def _has_one_target(self) -> Self:
        targets = [name for name in ("token", "topic", "condition") if getattr(self, name) is not None]
        if len(targets) != 1:
            raise ValueError("exactly one of token, topic or condition must be given")
        return self


class SendRequest(_Part):
    message: PushMessage
    validate_only: bool = False
