"""FCM's messages and error responses, as documented for HTTP v1.

The HTTP status and `status` are Google's canonical ones. FCM's own code is in `details`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError
from starlette.responses import JSONResponse

_FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"


@dataclass(frozen=True)
class FcmError:
    """`error_code` is FCM's own code. It is empty if only Google's canonical status is given."""

    code: int
    status: str
    message: str
    error_code: str = ""
    violations: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> JSONResponse:
        details: list[Mapping[str, object]] = []
        if self.error_code:
            details.append({"@type": _FCM_ERROR, "errorCode": self.error_code})
        if self.violations:
            fields = [{"field": name, "description": text} for name, text in self.violations]
            details.append({"@type": _BAD_REQUEST, "fieldViolations": fields})
        error = {"code": self.code, "message": self.message, "status": self.status}
        content = {"error": error | {"details": details} if details else error}
        return JSONResponse(content, status_code=self.code, headers=self.headers)


class FcmRefusal(Exception):
    """Ends a request with this error."""

    def __init__(self, error: FcmError) -> None:
        super().__init__(error.message)
        self.error = error


UNAUTHENTICATED = FcmError(
    401, "UNAUTHENTICATED", "The request has no valid OAuth 2 access token.", headers={"WWW-Authenticate": "Bearer"}
)
WRONG_PROJECT = FcmError(403, "PERMISSION_DENIED", "The service account may not send for this project.")
UNREGISTERED = FcmError(404, "NOT_FOUND", "Requested entity was not found.", "UNREGISTERED")
SENDER_ID_MISMATCH = FcmError(403, "PERMISSION_DENIED", "SenderId mismatch", "SENDER_ID_MISMATCH")
THIRD_PARTY_AUTH_ERROR = FcmError(
    401, "UNAUTHENTICATED", "Auth error from APNS or Web Push Service", "THIRD_PARTY_AUTH_ERROR"
)
QUOTA_EXCEEDED = FcmError(429, "RESOURCE_EXHAUSTED", "Quota exceeded.", "QUOTA_EXCEEDED", headers={"Retry-After": "1"})
UNAVAILABLE = FcmError(503, "UNAVAILABLE", "The service is currently unavailable.", "UNAVAILABLE")
# The real response names no field here: only the message distinguishes it from an invalid payload.
INVALID_TOKEN = FcmError(
    400, "INVALID_ARGUMENT", "The registration token is not a valid FCM registration token", "INVALID_ARGUMENT"
)
TOO_BIG = FcmError(400, "INVALID_ARGUMENT", "Message payload is larger than 4096 bytes.", "INVALID_ARGUMENT")


def invalid_argument(violations: Sequence[tuple[str, str]]) -> FcmError:
    """400 for a payload that violates the schema: pairs of a field and its problem."""
    return FcmError(
        400, "INVALID_ARGUMENT", "Request contains an invalid argument.", "INVALID_ARGUMENT", violations=violations
    )


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
    """The parts for Apple and for browsers: headers must be strings."""

    model_config = ConfigDict(extra="allow", strict=True)

    headers: dict[str, str] = Field(default_factory=dict)


class PushMessage(BaseModel):
    """One target per request; the values of `data` are strings. Most of the platform parts are not validated."""

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
