"""The meaning of FCM's responses for a delivery, in two tables."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from delivery.outcomes import AccountRefused, Ambiguous, Defect, Outcome, Permanent, RetryLater, Sent
from push_service.senders.http_client import HttpAnswer
from push_service.senders.retry_after import retry_after

# Sources: firebase.google.com/docs/cloud-messaging/error-codes, .../docs/reference/fcm/rest/v1/ErrorCode and .../scale-fcm
# (when to wait, and how long).

QUOTA_SECONDS = 60.0  # FCM's documented wait after a 429 without a time
MAX_DETAIL = 200
TOKEN_FIELD = "message.token"  # noqa: S105 - a field's name


class _Part(BaseModel):
    """Frozen, so that the default of an absent part is not copied (in Python, for every response)."""

    model_config = ConfigDict(frozen=True)


class _Violation(_Part):
    field: str = ""


class _Detail(_Part):
    error_code: str = Field(default="", alias="errorCode")
    violations: tuple[_Violation, ...] = Field(default=(), alias="fieldViolations")


class _Error(_Part):
    message: str = ""
    details: tuple[_Detail, ...] = ()


class _Body(_Part):
    name: str = ""
    error: _Error = _Error()


@dataclass(frozen=True, slots=True)
class FcmAnswer:
    """`code` is FCM's own error code, "" if it gave none. `fields` are the fields that it names."""

    status: int
    name: str
    code: str
    message: str
    fields: tuple[str, ...]
    after_seconds: float | None

    @classmethod
    def read(cls, answer: HttpAnswer) -> Self:
        try:
            body = _Body.model_validate_json(answer.content)
        except ValidationError:
            body = _Body()
        details = body.error.details
        return cls(
            status=answer.status,
            name=body.name,
            code=next((detail.error_code for detail in details if detail.error_code), ""),
            message=body.error.message,
            fields=tuple(violation.field for detail in details for violation in detail.violations),
            after_seconds=retry_after(answer.headers),
        )

    @property
    def blames_token(self) -> bool:
        """FCM reports an invalid token either as a field or (the documented response) only in the message."""
        return TOKEN_FIELD in self.fields or (not self.fields and "registration token" in self.message.lower())

    @property
    def expired_access(self) -> bool:
        return self.status == 401 and self.code != "THIRD_PARTY_AUTH_ERROR"

    @property
    def detail(self) -> str:
        """Contains none of our values: if FCM names fields, its message quotes their content."""
        said = ", ".join(self.fields) if self.fields else self.message
        return f"HTTP {self.status} {self.code} {said}".replace("  ", " ").strip()[:MAX_DETAIL]


Rule = Callable[[FcmAnswer], Outcome]


def _taken(answer: FcmAnswer) -> Outcome:
    """A proxy in between may respond with 200, too: only FCM returns the message's name."""
    return Sent(answer.name) if answer.name else Ambiguous("unreadable_answer", answer.detail)


def _invalid(answer: FcmAnswer) -> Outcome:
    return _dead_token(answer) if answer.blames_token else Permanent("rejected", answer.detail)


def _dead_token(answer: FcmAnswer) -> Outcome:
    return Permanent("invalid_token", answer.detail, dead_recipient=True)


def _over_quota(answer: FcmAnswer) -> Outcome:
    after = QUOTA_SECONDS if answer.after_seconds is None else answer.after_seconds
    return RetryLater("rate_limited", answer.detail, after)


def _misconfigured(answer: FcmAnswer) -> Outcome:
    """The project, the account's rights or the URL: an operator has to correct it; the notifications are not the cause."""
    return AccountRefused("provider_refused", answer.detail)


BY_CODE: Mapping[tuple[int, str], Rule] = {
    (404, "UNREGISTERED"): _dead_token,
    (403, "SENDER_ID_MISMATCH"): lambda answer: Permanent("sender_mismatch", answer.detail),
    # Our key for Apple or for browsers' push services, which FCM stores, is missing or wrong. Android devices are not
    # affected.
    (401, "THIRD_PARTY_AUTH_ERROR"): lambda answer: AccountRefused(
        "third_party_auth", answer.detail, affects_all=False
    ),
}
BY_STATUS: Mapping[int, Rule] = {
    200: _taken,
    400: _invalid,
    401: lambda answer: AccountRefused("credentials_refused", answer.detail),
    403: _misconfigured,
    404: _misconfigured,
    408: lambda answer: RetryLater("provider_unavailable", answer.detail, answer.after_seconds),
    413: lambda answer: Permanent("payload_too_large", answer.detail),
    429: _over_quota,
    500: lambda answer: RetryLater("provider_error", answer.detail, answer.after_seconds),
    503: lambda answer: RetryLater("provider_unavailable", answer.detail, answer.after_seconds),
}


def outcome_of(answer: FcmAnswer) -> Outcome:
    rule = BY_CODE.get((answer.status, answer.code)) or BY_STATUS.get(answer.status) or _undocumented
    return rule(answer)


def _undocumented(answer: FcmAnswer) -> Outcome:
    if answer.status < 400:  # a redirect: this is not FCM's URL
        return _misconfigured(answer)
    if answer.status >= 500:  # 502, 504: a front end lost the backend's response; the message may have been accepted
        return Ambiguous("no_answer", answer.detail)
    return Defect("unexpected_answer", answer.detail)
