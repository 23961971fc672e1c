"""Sending notifications, and following them."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from time import monotonic
from typing import Literal, Unpack
from uuid import uuid4

from notifications.answers.base import Data, PageOf
from notifications.answers.notifications import (
    SENT_OR_FINAL,
    Accepted,
    BatchResult,
    Notification,
    NotificationDetail,
    Replay,
)
from notifications.bodies import chunks, given
from notifications.calls import Answer, Call, Pause, Steps
from notifications.endpoints import Resource, Transport, endpoint, listing
from notifications.errors import BatchRejected, NotificationsError, WaitTimedOut
from notifications.paging import Listing
from notifications.requests.notifications import Channel, NotificationRequest

MAX_BATCH = 1_000
MAX_BATCH_BYTES = 3_000_000  # a gateway takes 4 MiB
FIRST_POLL_SECONDS, LONGEST_POLL_SECONDS = 0.2, 5.0
Status = Literal["pending", "queued", "sent", "delivered", "failed", "suppressed", "cancelled", "expired", "unknown"]
Ids = Sequence[str]


class BatchInterrupted(NotificationsError):
    """A call of a batch failed; `__cause__` is the error. `result`: the answers of the earlier calls.

    `unsent` are the other notifications with their `request_id`s. Those of the failed call may have been accepted: sending
    `unsent` as it is makes no second ones.
    """

    def __init__(self, result: BatchResult, unsent: Sequence[NotificationRequest]) -> None:
        self.result, self.unsent = result, unsent
        super().__init__(f"{len(result.results)} notifications were answered, {len(unsent)} are left")


class Sending(Resource[Transport]):
    """Sends notifications, and finds, follows, cancels and retries them."""

    @endpoint
    def send(self, **notification: Unpack[NotificationRequest]) -> Call[Accepted]:
        """Sends one notification. Returns once it is durable; `request_id` of the answer is the one that was used.

        Safe to repeat: the same `request_id` makes no second notification. Raises RequestIdReused if it was used for another.
        """
        request = _with_request_id(notification)
        request_id = str(request["request_id"])
        read = _AcceptedAs(request_id)
        return self._call("POST", ("notifications",), read, body=request, repeatable=True, request_id=request_id)

    @endpoint
    def send_batch(self, notifications: Iterable[NotificationRequest]) -> Steps[BatchResult]:
        """Sends any number of notifications, 1,000 in a call. Each is accepted or refused on its own: see `results`.

        Raises BatchInterrupted if a call fails: it has the results so far, and what is left to send.
        """
        requests = [_with_request_id(notification) for notification in notifications]
        done = BatchResult(accepted=0, replayed=0, rejected=0, results=[])
        for chunk in chunks(requests, MAX_BATCH, MAX_BATCH_BYTES):
            start = len(done.results)
            try:
                answer = yield from self._batch(chunk)
            except NotificationsError as failure:
                raise BatchInterrupted(done, requests[start:]) from failure
            done = _joined(done, answer, [str(request["request_id"]) for request in chunk])
        return done

    def _batch(self, chunk: Sequence[NotificationRequest]) -> Steps[BatchResult]:
        body = {"notifications": chunk}
        segments = ("notifications", "batch")
        try:
            return (yield from self._call("POST", segments, Data(BatchResult), body=body, repeatable=True))
        except BatchRejected as refused:
            return BatchResult.model_validate(refused.details)

    @endpoint
    def get(self, notification_id: str) -> Call[NotificationDetail]:
        """One notification with its timeline."""
        return self._one("GET", notification_id)

    @endpoint
    def cancel(self, notification_id: str) -> Call[NotificationDetail]:
        """Raises NotCancellable if it was handed over already. Cancelling twice succeeds."""
        return self._one("DELETE", notification_id)

    @endpoint
    def retry(self, notification_id: str, *, template_version: int | None = None) -> Call[NotificationDetail]:
        """Tries a failed or unknown notification again, with the active or the given version. Raises NotRetryable."""
        segments = ("notifications", notification_id, "retry")
        return self._call("POST", segments, Data(NotificationDetail), body=given(template_version=template_version))

    @endpoint
    def wait_until_final(
        self, notification_id: str, *, timeout: float = 60.0, until: Collection[str] = SENT_OR_FINAL
    ) -> Steps[NotificationDetail]:
        """The notification once its status is one of `until`. The default ends with `sent`: a provider has it.

        `timeout` is in seconds. Raises WaitTimedOut.
        """
        deadline, pause = monotonic() + timeout, FIRST_POLL_SECONDS
        while (detail := (yield from self._one("GET", notification_id))).status not in until:
            left = deadline - monotonic()
            if left <= 0:
                raise WaitTimedOut(notification_id, detail.status, timeout)
            yield Pause(min(pause, left))
            pause = min(pause * 1.5, LONGEST_POLL_SECONDS)
        return detail

    @endpoint
    def replay(
        self,
        *,
        notification_ids: Ids | None = None,
        notification_type: Channel | None = None,
        error: str | None = None,
        template_version: int | None = None,
        limit: int | None = None,
    ) -> Call[Replay]:
        """Tries dead letters again: those that fit all conditions, at most `limit`."""
        body = given(
            notification_ids=notification_ids,
            notification_type=notification_type,
            error=error,
            template_version=template_version,
            limit=limit,
        )
        return self._call("POST", ("failed", "replay"), Data(Replay), body=body)

    @listing
    def failed(
        self,
        *,
        notification_type: Channel | None = None,
        page_size: int = 100,
        cursor: str | None = None,
        page: int | None = None,
    ) -> Listing[Notification]:
        """The dead letters, newest first."""
        filters = {"notification_type": notification_type}
        return self._listing(
            ("failed",), PageOf(Notification), **filters, page_size=page_size, cursor=cursor, page=page
        )

    @listing
    def list(
        self,
        *,
        user_id: str | None = None,
        to: str | None = None,
        status: Status | None = None,
        notification_type: Channel | None = None,
        template_code: str | None = None,
        request_id: str | None = None,
        held_by: str | None = None,
        created_after: datetime | str | None = None,
        created_before: datetime | str | None = None,
        page_size: int = 100,
        cursor: str | None = None,
        page: int | None = None,
    ) -> Listing[Notification]:
        """Notifications, newest first. `to` is an e-mail address or one device's token, of a user or not.

        `page_size` is at most 100; `cursor` is a page's `meta.next_cursor`.
        """
        return self._listing(
            ("notifications",),
            PageOf(Notification),
            user_id=user_id,
            to=to,
            status=status,
            notification_type=notification_type,
            template_code=template_code,
            request_id=request_id,
            held_by=held_by,
            created_after=created_after,
            created_before=created_before,
            page_size=page_size,
            cursor=cursor,
            page=page,
        )

    def _one(self, method: Literal["GET", "DELETE"], notification_id: str) -> Call[NotificationDetail]:
        return self._call(method, ("notifications", notification_id), Data(NotificationDetail))


class _AcceptedAs(Data[Accepted]):
    """Adds the `request_id` to the answer."""

    def __init__(self, request_id: str) -> None:
        super().__init__(Accepted)
        self._request_id = request_id

    def __call__(self, answer: Answer) -> Accepted:
        replayed = answer.response.headers.get("Idempotent-Replayed") == "true"
        return super().__call__(answer).model_copy(update={"request_id": self._request_id, "replayed": replayed})


def _with_request_id(notification: NotificationRequest) -> NotificationRequest:
    """Raises ValueError for a time without a zone: whose noon would it be?"""
    for name in ("send_at", "expires_at"):
        time = notification.get(name)
        if isinstance(time, datetime) and time.tzinfo is None:
            raise ValueError(f"{name} has no time zone; use for example datetime.now(UTC)")
    return {**notification, "request_id": notification.get("request_id") or str(uuid4())}


def _joined(done: BatchResult, answer: BatchResult, request_ids: Ids) -> BatchResult:
    """Both results as one. The items are numbered through all calls."""
    start = len(done.results)
    items = [
        item.model_copy(update={"index": start + item.index, "request_id": request_ids[item.index]})
        for item in answer.results
    ]
    return BatchResult(
        accepted=done.accepted + answer.accepted,
        replayed=done.replayed + answer.replayed,
        rejected=done.rejected + answer.rejected,
        results=[*done.results, *items],
    )
