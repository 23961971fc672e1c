"""FCM's error responses, as documented for HTTP v1.

The HTTP status and `status` are Google's canonical ones. FCM's own code is in `details`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError
from starlette.responses import JSONResponse

from devstack.simulators.fcm_schema import SendRequest

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
TOO_BIG = FcmError(400, "INVALID_ARGUMENT", "Message payload is too big.", "INVALID_ARGUMENT")


def invalid_argument(violations: Sequence[tuple[str, str]]) -> FcmError:
    """400 for a payload that violates the schema: pairs of a field and its problem."""
    return FcmError(
        400, "INVALID_ARGUMENT", "Request contains an invalid argument.", "INVALID_ARGUMENT", violations=violations
    )


def read_request(body: bytes) -> SendRequest:
    """Raises FcmRefusal 400."""
    try:
        request = SendRequest.model_validate_json(body)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        violations = [(".".join(map(str, each["loc"])), each["msg"]) for each in problems]
        raise FcmRefusal(invalid_argument(violations)) from None
    if request.message.payload_size > request.message.payload_limit:
        raise FcmRefusal(TOO_BIG)
    return request
