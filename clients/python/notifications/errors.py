"""What a call can raise. `ApiError` is an answer of the server; `ConnectionFailed` is that no answer came."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

EXCERPT_CHARACTERS = 500


class NotificationsError(Exception):
    """The base of every error of this package.

    `request_id` is that of the notification that was being sent. It may have been accepted, if an earlier answer was lost:
    sending it again with the same `request_id` makes no second one.
    """

    request_id: str | None = None


class ConnectionFailed(NotificationsError):
    """No answer came: whether the server got the request is not known."""


class TimedOut(ConnectionFailed):
    """No answer came within the timeout."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """A field of the request that is not valid: its dotted path, and the problem."""

    field: str
    message: str


class ApiError(NotificationsError):
    """The server refused. `code` is stable and for programs, `message` is for people, `details` is the envelope's `data`.

    `retry_after` is in seconds. `correlation_id` finds the request in the server's logs.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str,
        details: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        headers = headers or {}
        self.message, self.status, self.code, self.details = message, status, code, details
        self.correlation_id = headers.get("X-Correlation-ID")
        self.retry_after = _seconds(headers.get("Retry-After"))
        super().__init__(message)

    @property
    def problems(self) -> list[FieldProblem]:
        """The fields that are not valid; empty if the error is about something else."""
        found = self.details.get("errors") if isinstance(self.details, dict) else None
        rows = [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
        return [FieldProblem(str(row.get("field")), str(row.get("message"))) for row in rows]

    def __str__(self) -> str:
        fields = "".join(f"; {problem.field}: {problem.message}" for problem in self.problems)
        traced = f" (correlation id {self.correlation_id})" if self.correlation_id else ""
        return f"{self.status} {self.code}: {self.message}{fields}{traced}"


class InvalidRequest(ApiError):
    """400, 413, 422: the request has to change. `problems` names the fields."""


class RequestIdReused(InvalidRequest):
    """The `request_id` was used before, for another notification."""


class BatchRejected(InvalidRequest):
    """No item of a batch was accepted. `send_batch` returns the results instead."""


class AuthenticationFailed(ApiError):
    """401: no valid API key or access token."""


class PermissionDenied(ApiError):
    """403: the key or the user may not do this."""


class NotFound(ApiError):
    """404: the notification, user, template … does not exist for this caller."""


class Conflict(ApiError):
    """409: it contradicts what is there."""


class NotCancellable(Conflict):
    """The notification was handed over already."""


class NotRetryable(Conflict):
    """Only a failed or unknown notification can be tried again."""


class RateLimited(ApiError):
    """429: `retry_after` says when to try again."""


class ServerError(ApiError):
    """5xx."""


class Unavailable(ServerError):
    """503: a part that the request needs is down."""


class UnexpectedAnswer(ServerError):
    """An answer that is none of the API's: of a proxy, of another server, or of an API that this package does not know.

    `details` is the beginning of its body.
    """


class WaitTimedOut(NotificationsError):
    """The notification did not reach the wanted status in time. `status` is the last one that was seen."""

    def __init__(self, notification_id: str, status: str, seconds: float) -> None:
        self.notification_id, self.status = notification_id, status
        super().__init__(f"notification {notification_id} is still {status} after {seconds:g} s")


BY_CODE: Mapping[str, type[ApiError]] = {
    "idempotency_key_reused": RequestIdReused,
    "batch_rejected": BatchRejected,
    "not_cancellable": NotCancellable,
    "not_retryable": NotRetryable,
}
BY_STATUS: Mapping[int, type[ApiError]] = {
    400: InvalidRequest,
    401: AuthenticationFailed,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    413: InvalidRequest,
    422: InvalidRequest,
    429: RateLimited,
    503: Unavailable,
}


def api_error_from(response: httpx2.Response, envelope: Mapping[str, Any] | None) -> ApiError:
    """The error that a response is. `envelope` is its body, if that is one of the API's."""
    status, code = response.status_code, envelope.get("error") if envelope else None
    if not envelope or not isinstance(code, str):
        return unexpected(response, "not in the API's form: is the address right, is a proxy in between?")
    general = BY_STATUS.get(status) or (ServerError if status >= 500 else ApiError)
    kind = BY_CODE.get(code, general)
    return kind(
        str(envelope.get("message")), status=status, code=code, details=envelope.get("data"), headers=response.headers
    )


def unexpected(response: httpx2.Response, problem: str) -> UnexpectedAnswer:
    media = response.headers.get("Content-Type", "no content type")
    return UnexpectedAnswer(
        f"The answer ({media}) is {problem}",
        status=response.status_code,
        code="unexpected_answer",
        details=response.text[:EXCERPT_CHARACTERS],
        headers=response.headers,
    )


def failure_of(lost: httpx2.RequestError) -> ConnectionFailed:
    """The error of a request without an answer."""
    kind = TimedOut if isinstance(lost, httpx2.TimeoutException) else ConnectionFailed
    return kind(f"No answer: {type(lost).__name__}{f': {lost}' if str(lost) else ''}")


def _seconds(retry_after: str | None) -> float | None:
    """Of `Retry-After`, which is a number of seconds or a date (RFC 9110). None if it is neither."""
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
