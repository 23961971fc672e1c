"""The meaning of push services' responses for a delivery, in two tables.

Sources: RFC 8030, 5 and 7.2 to 8.4; RFC 8292, 4.2; mozilla-services.github.io/autopush-rs/errors.html (Mozilla);
developer.apple.com/documentation/usernotifications/sending-web-push-notifications-in-web-apps-and-browsers (Apple);
learn.microsoft.com/windows/apps/design/shell/tiles-and-notifications/push-request-response-headers (Microsoft). Google
documents no bodies: its text for a foreign key is what its servers write.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import BaseModel, Field, ValidationError

from delivery.outcomes import AccountRefused, Ambiguous, Defect, Outcome, Permanent, RetryLater, Sent
from push_service.senders.http_client import HttpAnswer
from push_service.senders.retry_after import retry_after

QUOTA_SECONDS = 60.0  # after a 429 without a time
_GOOGLE_FOREIGN_KEY = b"do not correspond to the credentials used to create the subscription"
_MOZILLA_FOREIGN_KEY = "VAPID public key mismatch"


class _Body(BaseModel):
    """Apple's `reason`, Mozilla's `errno` and `message`. Their other texts may quote the endpoint."""

    reason: Annotated[str, Field(pattern=r"^[A-Za-z]{1,40}$")] = ""
    errno: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class WebPushAnswer:
    """`foreign_key`: the browser's subscription was made with another VAPID key than ours."""

    status: int
    reason: str
    foreign_key: bool
    message_id: str | None
    after_seconds: float | None

    @classmethod
    def read(cls, answer: HttpAnswer) -> Self:
        try:
            body = _Body.model_validate_json(answer.content)
        except ValidationError:
            body = _Body()
        return cls(
            status=answer.status,
            reason=body.reason or (f"errno {body.errno}" if body.errno else ""),
            foreign_key=(
                body.reason == "VapidPkHashMismatch"
                or _MOZILLA_FOREIGN_KEY in body.message
                or _GOOGLE_FOREIGN_KEY in answer.content
            ),
            message_id=_message_id(answer.headers.get("location", "")),
            after_seconds=retry_after(answer.headers),
        )

    @property
    def detail(self) -> str:
        return f"HTTP {self.status} {self.reason}".strip()


def _message_id(location: str) -> str | None:
    """The last part of the message's address, because the whole of it may contain the browser's token."""
    found = location.rstrip("/").rpartition("/")[2]
    return found if found.isascii() and found.isprintable() and 0 < len(found) <= 100 else None


Rule = Callable[[WebPushAnswer], Outcome]


def _taken(answer: WebPushAnswer) -> Outcome:
    return Sent(answer.message_id)


def _dead(answer: WebPushAnswer) -> Outcome:
    return Permanent("invalid_token", answer.detail, dead_recipient=True)


def _refused(answer: WebPushAnswer) -> Outcome:
    """Our key, its subject or our clock. Other push services, and other providers, are not affected."""
    return AccountRefused("credentials_refused", answer.detail, affects_all=False)


def _over_quota(answer: WebPushAnswer) -> Outcome:
    return RetryLater(
        "rate_limited", answer.detail, QUOTA_SECONDS if answer.after_seconds is None else answer.after_seconds
    )


def _unavailable(answer: WebPushAnswer) -> Outcome:
    return RetryLater("provider_unavailable", answer.detail, answer.after_seconds)


BY_STATUS: Mapping[int, Rule] = {
    201: _taken,
    202: _taken,  # RFC 8030, 5.1: accepted, and a receipt may follow
    400: lambda answer: Permanent("rejected", answer.detail),
    401: _refused,
    403: _refused,
    404: _dead,
    406: _over_quota,  # Microsoft: this channel's messages are throttled
    408: _unavailable,
    410: _dead,
    413: lambda answer: Permanent("payload_too_large", answer.detail),
    429: _over_quota,
    500: lambda answer: RetryLater("provider_error", answer.detail, answer.after_seconds),
    503: _unavailable,
}


def outcome_of(answer: WebPushAnswer) -> Outcome:
    """A subscription with a foreign key can never be sent to: it belongs to another site, or to our key of before."""
    if answer.foreign_key:
        return Permanent("sender_mismatch", answer.detail)
    return BY_STATUS.get(answer.status, _undocumented)(answer)


def _undocumented(answer: WebPushAnswer) -> Outcome:
    if answer.status < 300:  # not from a push service: something in between
        return Ambiguous("unreadable_answer", answer.detail)
    if answer.status >= 500:  # 502, 504: a front end lost the response; the message may have been accepted
        return Ambiguous("no_answer", answer.detail)
    return Defect("unexpected_answer", answer.detail)  # a redirect, too: it is not followed
