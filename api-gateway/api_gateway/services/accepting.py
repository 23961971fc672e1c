"""Accepting a notification: look-ups, one commit, then the answer; publishing follows.

Nothing but the gateway's own database must be up: what cannot be looked up now is accepted as pending, and a relay
resolves it later.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeGuard
from uuid import UUID

import orjson
from uuid_utils.compat import uuid7

from api_gateway.errors import IdempotencyKeyReused
from api_gateway.repositories.accepting import Disposition, NewNotification, Receipt
from api_gateway.schemas.requests import NotificationRequest
from api_gateway.services.directory import Directory
from api_gateway.services.outbox import Outbox
from api_gateway.services.recipient_limit import RecipientLimit
from api_gateway.services.resolving import Resolution, Resolved, resolve
from api_gateway.services.store import Store
from chassis.data_keys import ValueUnreadable
from chassis.errors import ServiceError, field_error
from chassis.http_client import DependencyUnavailable
from chassis.security import Sender, is_test_caller
from chassis.yielding import map_yielding, urgent_work
from contracts.reaching import Unreachable
from contracts.status import Status
from contracts.topology import URGENT

MAX_SCHEDULE = timedelta(days=366)
HASHED = orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z


class Origin(NamedTuple):
    """Who asks (`Identity.caller`), in which story and in which trace, and in whose name mails go (`Identity.sender`)."""

    caller: str
    correlation_id: str
    trace_context: str | None = None
    sender: Sender | None = None


class Acceptor:
    """Accepts notifications, one or a thousand in the same way. Safe to call from many tasks; they share commits."""

    def __init__(
        self, directory: Directory, store: Store, outbox: Outbox, *, recipients: RecipientLimit | None = None
    ) -> None:
        self._directory = directory
        self._store = store
        self._outbox = outbox
        self._recipients = recipients

    async def accept(self, request: NotificationRequest, origin: Origin) -> Receipt:
        """One notification; raises why it was refused. See `accept_all`."""
        [outcome] = await self.accept_all([request], origin)
        if isinstance(outcome, ServiceError):
            raise outcome
        return outcome

    async def accept_all(self, requests: Sequence[NotificationRequest], origin: Origin) -> list[Receipt | ServiceError]:
        """For each request its receipt, which is durable when this returns, or why it was refused.

        The same `request_id` and body give the first receipt again, another body IdempotencyKeyReused; a time that has
        passed, what `resolve` finds wrong with a request and RecipientLimited refuse it, unless it is such a repeat. Raises
        DatabaseUnavailable: nothing is known of any of them then. Where all are urgent they wait for no group of others: a
        batch of a thousand is one; while there are few of them, batches pause.
        """
        urgent = all(request.priority >= URGENT for request in requests)
        with urgent_work(len(requests), urgent=urgent):
            return await self._accept_all(requests, origin, urgent=urgent)

    async def _accept_all(
        self, requests: Sequence[NotificationRequest], origin: Origin, *, urgent: bool
    ) -> list[Receipt | ServiceError]:
        resolutions = await resolve(requests, self._directory, [origin.caller] * len(requests), urgent=urgent)
        now = datetime.now(UTC)
        resolutions, counted = await self._within_limit(requests, origin, resolutions, now)
        drafts = await map_yielding(
            lambda pair: self._draft_or_refusal(pair[0], origin, pair[1], now),
            [*zip(requests, resolutions, strict=True)],
        )
        rows = [row for row in drafts if isinstance(row, NewNotification)]
        try:
            written = await self._write(rows, urgent=urgent)
        except BaseException:
            await self._give_back(counted)
            raise
        if among := set(counted):
            repeated = [row.user_id for row, receipt in zip(rows, written, strict=True) if not receipt.fresh]
            await self._give_back([person for person in repeated if person in among])
        receipts = iter(written)
        refused = [request for request, row in zip(requests, drafts, strict=True) if isinstance(row, ServiceError)]
        first = await self._first_answers(refused, origin) if refused else {}
        return [
            _told(next(receipts), row.body_hash) if isinstance(row, NewNotification) else _repeated(request, first, row)
            for request, row in zip(requests, drafts, strict=True)
        ]

    async def _within_limit(
        self, requests: Sequence[NotificationRequest], origin: Origin, resolutions: list[Resolution], now: datetime
    ) -> tuple[list[Resolution], list[UUID]]:
        """What one person would be sent too much is refused; the urgent, tests and what is not sent anyway do not count.

        Whom something was counted for comes with it.
        """
        if self._recipients is None or is_test_caller(origin.caller):
            return resolutions, []
        places = [
            place
            for place, (request, resolution) in enumerate(zip(requests, resolutions, strict=True))
            if request.priority < URGENT
            and isinstance(resolution, Resolved | DependencyUnavailable)
            and not _untimely(request, now)
        ]
        checked = await self._recipients.check([requests[place].user_id for place in places]) if places else []
        refusals = {place: refusal for place, refusal in zip(places, checked, strict=True) if refusal is not None}
        counted = [requests[place].user_id for place in places if place not in refusals]
        return [refusals.get(place, resolution) for place, resolution in enumerate(resolutions)], counted

    async def _give_back(self, people: Sequence[UUID]) -> None:
        if self._recipients is not None and people:
            await self._recipients.give_back(people)

    def _draft_or_refusal(
        self, request: NotificationRequest, origin: Origin, resolution: Resolution, now: datetime
    ) -> NewNotification | ServiceError:
        if untimely := _untimely(request, now):
            return untimely
        return (
            resolution
            if _refuses(resolution)
            else draft(request, origin, resolution, leased=self._outbox.has_room(request.priority))
        )

    async def _write(self, rows: Sequence[NewNotification], *, urgent: bool) -> Sequence[Receipt]:
        """Committed; what is to be sent now is offered to the outbox."""
        receipts = await self._store.accept(rows, urgent=urgent) if rows else ()
        for row, receipt in zip(rows, receipts, strict=True):
            if row.disposition == "leased" and receipt.fresh:
                self._outbox.offer(row, receipt.created_at)
        return receipts

    async def _first_answers(self, refused: Sequence[NotificationRequest], origin: Origin) -> dict[str, Receipt]:
        """A repeat is answered as the first time, even when its time, the user or the template has gone since."""
        repeats = [request.request_id for request in refused if request.request_id is not None]
        return await self._store.first_answers(origin.caller, repeats) if repeats else {}


def _untimely(request: NotificationRequest, now: datetime) -> ServiceError | None:
    """Why it is too late for this request, or too early; said only of one that was not accepted before."""
    if request.expires_at is not None and request.expires_at <= now:
        return field_error("expires_at", "must lie after now")
    if request.send_at is not None and request.send_at > now + MAX_SCHEDULE:
        return field_error("send_at", "must lie within a year")
    return None


def _refuses(resolution: Resolution) -> TypeGuard[ServiceError]:
    return isinstance(resolution, ServiceError) and not isinstance(resolution, DependencyUnavailable)


def _told(receipt: Receipt, body_hash: str) -> Receipt | ServiceError:
    if receipt.body_hash is None:
        return ValueUnreadable()
    return receipt if receipt.body_hash == body_hash else IdempotencyKeyReused()


def _repeated(
    request: NotificationRequest, first: Mapping[str, Receipt], refused: ServiceError
) -> Receipt | ServiceError:
    receipt = first.get(request.request_id or "")
    return _told(receipt, body_hash(request)) if receipt is not None else refused


def draft(request: NotificationRequest, origin: Origin, found: Resolution, *, leased: bool) -> NewNotification:
    """The row of a request, given what the look-ups found; DependencyUnavailable: they could not be made.

    `leased`: this process publishes what can be published now; else a relay does.
    """
    notification_id: UUID = uuid7()
    resolved = found if isinstance(found, Resolved) else None
    status, code, disposition = _beginning(request, found, leased=leased)
    # What is sent later is looked up again then: until that time the user may move, or opt out.
    kept = resolved if disposition in {"leased", "due"} else None
    return NewNotification(
        id=notification_id,
        caller=origin.caller,
        request_id=request.request_id or str(notification_id),
        body_hash=body_hash(request),
        correlation_id=origin.correlation_id,
        trace_context=origin.trace_context,
        notification_type=request.notification_type,
        user_id=request.user_id,
        template_code=request.template_code,
        template_version=kept.template.version if kept else request.template_version,
        language=kept.template.language if kept else request.language,
        variables=request.variables,
        metadata=request.metadata,
        priority=request.priority,
        recipient=kept.recipient.as_json if kept else None,
        sender=origin.sender if request.notification_type == "email" else None,
        status=status,
        code=code,
        send_at=request.send_at,
        expires_at=request.expires_at,
        delivery_guarantee=request.delivery_guarantee,
        disposition=disposition,
    )


def _beginning(
    request: NotificationRequest, found: Resolution, *, leased: bool
) -> tuple[Status, str | None, Disposition]:
    match found:
        case Unreachable(code):
            return Status.SUPPRESSED, code, "settled"
        case _ if request.send_at is not None:
            return Status.PENDING, None, "scheduled"
        case Resolved():
            return Status.PENDING, None, "leased" if leased else "due"
        case _:
            return Status.PENDING, None, "deferred"


def body_hash(request: NotificationRequest) -> str:
    """Two requests are the same when what they ask for is, whatever the order of their keys.

    Numbers count by their value: `1.10` is `1.1`, and whole numbers differ in their last digit, however long they are. A
    field that came later counts only when it is used: a key from before it must still be recognised. By hand, as
    pydantic's dump costs twice as much.
    """
    asked: dict[str, object] = {
        "notification_type": request.notification_type,
        "user_id": request.user_id,
        "template_code": request.template_code,
        "variables": request.variables.values_as_dict,
        "priority": request.priority,
        "metadata": request.metadata.values_as_dict,
        "language": request.language,
        "send_at": request.send_at,
        "expires_at": request.expires_at,
    }
    if request.delivery_guarantee != "at_least_once":
        asked["delivery_guarantee"] = request.delivery_guarantee
    if request.template_version is not None:
        asked["template_version"] = request.template_version
    try:
        written = orjson.dumps(asked, option=HASHED)
    except orjson.JSONEncodeError:  # whole numbers that are longer than 64 bits
        written = orjson.dumps(
            {**asked, **{name: _sorted(asked[name]) for name in ("variables", "metadata")}}, option=HASHED
        )
    return hashlib.sha256(written).hexdigest()


def _sorted(values: object) -> orjson.Fragment:
    return orjson.Fragment(json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":")))
