"""The meaning of APNs' responses for a delivery, in two tables.

Source: developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import BaseModel, Field, ValidationError

from delivery.outcomes import AccountRefused, Ambiguous, Defect, Outcome, Permanent, RetryLater, Sent
from push_service.senders.http_client import HttpAnswer
from push_service.senders.retry_after import retry_after

QUOTA_SECONDS = 60.0  # Apple names no time


class _Body(BaseModel):
    reason: Annotated[str, Field(pattern=r"^[A-Za-z]{1,60}$")] = ""


@dataclass(frozen=True, slots=True)
class ApnsAnswer:
    """`reason` is Apple's word, "" if it gave none."""

    status: int
    reason: str
    apns_id: str | None
    after_seconds: float | None

    @classmethod
    def read(cls, answer: HttpAnswer) -> Self:
        try:
            reason = _Body.model_validate_json(answer.content).reason
        except ValidationError:
            reason = ""
        return cls(answer.status, reason, answer.headers.get("apns-id"), retry_after(answer.headers))

    @property
    def expired_token(self) -> bool:
        return (self.status, self.reason) == (403, "ExpiredProviderToken")

    @property
    def detail(self) -> str:
        return f"HTTP {self.status} {self.reason}".strip()


Rule = Callable[[ApnsAnswer], Outcome]


def _taken(answer: ApnsAnswer) -> Outcome:
    """Something in between may respond with 200, too: only APNs returns an id."""
    return Sent(answer.apns_id) if answer.apns_id else Ambiguous("unreadable_answer", answer.detail)


def _dead(answer: ApnsAnswer) -> Outcome:
    return Permanent("invalid_token", answer.detail, dead_recipient=True)


def _bad_token(answer: ApnsAnswer) -> Outcome:
    """No token of this environment. Apple does not say whether it is one of the other environment, so the device is kept: a
    wrong APNS_ENVIRONMENT, or an app that registers the wrong one, must not cost users their devices.
    """
    return Permanent("bad_device_token", answer.detail)


def _other_app(answer: ApnsAnswer) -> Outcome:
    """The device is kept: a wrong APNS_TOPIC gets the same answer for every device."""
    return Permanent("sender_mismatch", answer.detail)


def _rejected(answer: ApnsAnswer) -> Outcome:
    return Permanent("rejected", answer.detail)


def _credentials(answer: ApnsAnswer) -> Outcome:
    return AccountRefused("credentials_refused", answer.detail)


def _misconfigured(answer: ApnsAnswer) -> Outcome:
    """The topic or the URL: an operator has to correct it."""
    return AccountRefused("provider_refused", answer.detail)


def _later(answer: ApnsAnswer) -> Outcome:
    return RetryLater("provider_unavailable", answer.detail, answer.after_seconds)


def _over_quota(answer: ApnsAnswer) -> Outcome:
    after = QUOTA_SECONDS if answer.after_seconds is None else answer.after_seconds
    return RetryLater("rate_limited", answer.detail, after)


BY_REASON: Mapping[tuple[int, str], Rule] = {
    (400, "BadDeviceToken"): _bad_token,
    (400, "DeviceTokenNotForTopic"): _other_app,
    (400, "BadTopic"): _misconfigured,
    (400, "MissingTopic"): _misconfigured,
    (400, "TopicDisallowed"): _misconfigured,
    (400, "IdleTimeout"): _later,
}
BY_STATUS: Mapping[int, Rule] = {
    200: _taken,
    400: _rejected,
    403: _credentials,  # BadEnvironmentKeyInToken: Apple restricts the key to the other environment
    404: _misconfigured,
    405: _misconfigured,
    408: _later,
    410: _dead,  # Unregistered, ExpiredToken
    413: lambda answer: Permanent("payload_too_large", answer.detail),
    429: _over_quota,
    500: lambda answer: RetryLater("provider_error", answer.detail, answer.after_seconds),
    503: _later,
}


def outcome_of(answer: ApnsAnswer) -> Outcome:
    rule = BY_REASON.get((answer.status, answer.reason)) or BY_STATUS.get(answer.status) or _undocumented
    return rule(answer)


def _undocumented(answer: ApnsAnswer) -> Outcome:
    if answer.status < 400:  # this is not APNs' URL
        return _misconfigured(answer)
    if answer.status >= 500:  # a front end lost the response; the message may have been accepted
        return Ambiguous("no_answer", answer.detail)
    return Defect("unexpected_answer", answer.detail)
