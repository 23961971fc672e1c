"""What FCM accepts as a message; everything else is a 400 that names the field."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from devstack.simulators.fcm_errors import TOO_BIG, FcmRefusal, invalid_argument

PAYLOAD_LIMIT = 4096
_RESERVED = ("from", "message_type")
_RESERVED_PREFIXES = ("google.", "gcm.notification.")


def _not_reserved(key: str) -> str:
    if key in _RESERVED or key.startswith(_RESERVED_PREFIXES):
        raise ValueError(f"Invalid data payload key: {key}")
    return key


class Notification(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    title: str = ""
    body: str = ""
    image: str = ""


MAX_TTL_SECONDS = 28 * 24 * 3600


def _at_most_four_weeks(ttl: str) -> str:
    if float(ttl.rstrip("s")) > MAX_TTL_SECONDS:
        raise ValueError("must not exceed 4 weeks")
    return ttl


class Android(BaseModel):
    """`ttl` is a duration in the JSON form of protocol buffers."""

    model_config = ConfigDict(extra="allow", strict=True)

    ttl: Annotated[str, Field(pattern=r"^\d+(\.\d{1,9})?s$"), AfterValidator(_at_most_four_weeks)] = "0s"


class WithHeaders(BaseModel):
    """Apple's and the browsers' part: headers are strings, whatever they say."""

    model_config = ConfigDict(extra="allow", strict=True)

    headers: dict[str, str] = Field(default_factory=dict)


class PushMessage(BaseModel):
    """One target a request, values of `data` are strings. Most of the platform parts is taken as it is."""

    model_config = ConfigDict(extra="forbid", strict=True)

    token: Annotated[str, Field(min_length=1)]
    notification: Notification = Notification()
    data: dict[Annotated[str, AfterValidator(_not_reserved)], str] = Field(default_factory=dict)
    name: str = ""
    android: Android | None = None
    webpush: WithHeaders | None = None
    apns: WithHeaders | None = None
    fcm_options: JsonValue = None


class SendRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    message: PushMessage


def read_message(body: bytes) -> PushMessage:
    """The request's message. Raises FcmRefusal 400."""
    try:
        message = SendRequest.model_validate_json(body).message
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        violations = [(".".join(map(str, each["loc"])), each["msg"]) for each in problems]
        raise FcmRefusal(invalid_argument(violations)) from None
    if _payload_size(message) > PAYLOAD_LIMIT:
        raise FcmRefusal(TOO_BIG)
    return message


def _payload_size(message: PushMessage) -> int:
    """Keys and values, in bytes."""
    shown = message.notification
    pairs = [("title", shown.title), ("body", shown.body), ("image", shown.image), *message.data.items()]
    return sum(len(key.encode()) + len(value.encode()) for key, value in pairs if value)
