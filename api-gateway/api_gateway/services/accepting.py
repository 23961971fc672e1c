"""Accepts a notification: look-ups, one commit, then the answer. Publishing follows.

Only the gateway's own database must be up: if a recipient or template cannot be looked up now, the notification is accepted
as pending, and a relay looks it up later.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import orjson
from uuid_utils.compat import uuid7

from api_gateway.errors import IdempotencyKeyReused, RecipientLimited
from api_gateway.repositories.accepting import Disposition, NewNotification, Receipt
from api_gateway.repositories.attachments import NewAttachment
from api_gateway.schemas.recipients import recipient_id
from api_gateway.schemas.requests import NotificationRequest
from api_gateway.services.attachments import contents_of, options_of
from api_gateway.services.limits import RecipientLimit
from api_gateway.services.outbox import Outbox
from api_gateway.services.request_resolver import RequestResolver
from api_gateway.services.resolving import Resolution, Resolved
from api_gateway.services.store import Store
from chassis.errors import DependencyUnavailable, ServiceError, field_error
from chassis.process.yielding import map_yielding, urgent_work
from chassis.security import Sender, is_test_caller
from chassis.security.data_keys import ValueUnreadable
from contracts.addresses import address_key
from contracts.status import Status
from contracts.topology import URGENT
from contracts.users import Unreachable

MAX_SCHEDULE = timedelta(days=366)
HASHED = orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z


class RequestContext(NamedTuple):
    """Who asks (`Identity.caller`), the correlation id, the trace, and the sender of mails (`Identity.sender`)."""

    caller: str
    correlation_id: str
    trace_context: str | None = None
    sender: Sender | None = None


class Acceptor:
    """Accepts notifications, one or a thousand in the same way. Safe to call from many tasks; they share commits."""

    def __init__(
        self, resolver: RequestResolver, store: Store, outbox: Outbox, *, recipient_limit: RecipientLimit | None = None
    ) -> None:
        self._resolver = resolver
        self._store = store
        self._outbox = outbox
        self._recipient_limit = recipient_limit

    async def accept(self, request: NotificationRequest, context: RequestContext) -> Receipt:
        """Accepts one notification; raises the reason of a refusal. See `accept_all`."""
        [outcome] = await self.accept_all([request], context)
        if isinstance(outcome, ServiceError):
            raise outcome
        return outcome

    async def accept_all(
        self, requests: Sequence[NotificationRequest], context: RequestContext
    ) -> list[Receipt | ServiceError]:
        """Returns for each request its receipt, which is durable by then, or the reason why it was refused.

        The same `request_id` and body get the first receipt again; another body gets IdempotencyKeyReused. A request that is
        not a repeat is refused if its time has passed, if the resolver finds an error, or with RecipientLimited. Raises
        DatabaseUnavailable: then the outcome of every request is unknown. If all requests are urgent, they get a commit of
        their own. A batch of a thousand forms one group. Batches pause while urgent requests are being accepted.
        """
        urgent = all(request.priority >= URGENT for request in requests)
        with urgent_work(len(requests), urgent=urgent):
            return await self._accept_all(requests, context, urgent=urgent)

    async def known_outcome(
        self, request: NotificationRequest, context: RequestContext
    ) -> Receipt | ServiceError | None:
        """What is known before attachments are fetched: the first receipt of a repeat, the reason of a refusal, or None."""
        if request.request_id is not None:
            earlier = await self._store.first_answers(context.caller, [request.request_id])
            if (receipt := earlier.get(request.request_id)) is not None:
                return _same_body(receipt, body_hash(request))
        urgent = request.priority >= URGENT
        [found] = await self._resolver.resolve([request], context.caller, context.correlation_id, urgent=urgent)
        return _time_refusal(request, datetime.now(UTC)) or _refusal(found)

    async def _accept_all(
        self, requests: Sequence[NotificationRequest], context: RequestContext, *, urgent: bool
    ) -> list[Receipt | ServiceError]:
        resolutions = await self._resolver.resolve(requests, context.caller, context.correlation_id, urgent=urgent)
        decisions = await self._decide([*zip(requests, resolutions, strict=True)], context)
        receipts = await self._write([one for one in decisions if isinstance(one, _Insert)], urgent=urgent)
        earlier = await self._earlier_receipts([one for one in decisions if isinstance(one, _Refused)], context)
        return [_answer(decision, receipts, earlier) for decision in decisions]

    async def _decide(
        self, resolved: Sequence[tuple[NotificationRequest, Resolution]], context: RequestContext
    ) -> list["_Insert | _Refused"]:
        """A row to write for each request, or the reason why it gets none."""
        now = datetime.now(UTC)
        recipients = [_recipient_ids(request, context) for request, _ in resolved]
        counted = {} if is_test_caller(context.caller) else await self._counted(resolved, recipients, now)

        def decide(index: int) -> _Insert | _Refused:
            request, resolution = resolved[index]
            refusal = _time_refusal(request, now) or _refusal(resolution) or counted.get(index)
            if refusal is not None:
                return _Refused(request, refusal)
            leased = self._outbox.has_capacity(request.priority)
            row = new_notification(request, context, resolution, user_id=recipients[index][0], leased=leased)
            return _Insert(row, recipients[index] if index in counted else (), contents_of(request, row))

        return await map_yielding(decide, range(len(resolved)))

    async def _counted(
        self,
        resolved: Sequence[tuple[NotificationRequest, Resolution]],
        recipients: Sequence[Sequence[UUID]],
        now: datetime,
    ) -> dict[int, RecipientLimited | None]:
        """Counts requests against the limits of their recipients. Returns by index the refusal, or None.

        Urgent requests, and requests that are refused or suppressed anyway, are not counted and are not in the result.
        """
        if self._recipient_limit is None:
            return {}
        indexes = [
            index
            for index, (request, resolution) in enumerate(resolved)
            if request.priority < URGENT
            and isinstance(resolution, Resolved | DependencyUnavailable)
            and not _time_refusal(request, now)
        ]
        checked = await self._recipient_limit.check_all([recipients[index] for index in indexes]) if indexes else []
        return dict(zip(indexes, checked, strict=True))

    async def _write(self, inserts: Sequence["_Insert"], *, urgent: bool) -> dict[UUID, Receipt]:
        """Commits the rows and offers to the outbox the rows to be sent now. Returns the receipt of each row.

        Repeats are given back to the recipients' limits; so are all rows when the commit fails.
        """
        if not inserts:
            return {}
        try:
            receipts = await self._commit(inserts, urgent=urgent)
        except BaseException:
            await self._give_back(inserts)
            raise
        written = [*zip(inserts, receipts, strict=True)]
        for insert, receipt in written:
            if insert.row.disposition == "leased" and receipt.is_new:
                self._outbox.offer(insert.row, receipt.created_at)
        await self._give_back([insert for insert, receipt in written if not receipt.is_new])
        return {insert.row.id: receipt for insert, receipt in written}

    async def _commit(self, inserts: Sequence["_Insert"], *, urgent: bool) -> list[Receipt]:
        """A row with attachments gets a transaction of its own, so that no other row waits for their bytes."""
        if any(insert.attachments for insert in inserts):
            return [await self._store.accept_with(insert.row, insert.attachments) for insert in inserts]
        return await self._store.accept([insert.row for insert in inserts], urgent=urgent)

    async def _give_back(self, inserts: Sequence["_Insert"]) -> None:
        counted = [recipient for insert in inserts for recipient in insert.counted_recipients]
        if self._recipient_limit is not None and counted:
            await self._recipient_limit.give_back(counted)

    async def _earlier_receipts(self, refused: Sequence["_Refused"], context: RequestContext) -> dict[str, Receipt]:
        """By `request_id`. A repeat gets its first answer even if its time has passed or the user or template is gone."""
        ids = [one.request.request_id for one in refused if one.request.request_id is not None]
        return await self._store.first_answers(context.caller, ids) if ids else {}


@dataclass(frozen=True, slots=True)
class _Insert:
    """A row to write. `counted_recipients`: those whose limits it was counted against."""

    row: NewNotification
    counted_recipients: Sequence[UUID]
    attachments: Sequence[NewAttachment]


@dataclass(frozen=True, slots=True)
class _Refused:
    request: NotificationRequest
    reason: ServiceError


def _answer(
    decision: _Insert | _Refused, receipts: Mapping[UUID, Receipt], earlier: Mapping[str, Receipt]
) -> Receipt | ServiceError:
    match decision:
        case _Insert(row):
            return _same_body(receipts[row.id], row.body_hash)
        case _Refused(request, reason):
            receipt = earlier.get(request.request_id or "")
            return reason if receipt is None else _same_body(receipt, body_hash(request))


def _same_body(receipt: Receipt, given_hash: str) -> Receipt | ServiceError:
    """The receipt if it belongs to this body, otherwise IdempotencyKeyReused."""
    if receipt.body_hash is None:
        return ValueUnreadable()
    return receipt if receipt.body_hash == given_hash else IdempotencyKeyReused()


def _refusal(resolution: Resolution) -> ServiceError | None:
    """The reason why a request cannot be sent. A failed look-up is no reason: a relay repeats it later."""
    if isinstance(resolution, ServiceError) and not isinstance(resolution, DependencyUnavailable):
        return resolution
    return None


def _time_refusal(request: NotificationRequest, now: datetime) -> ServiceError | None:
    """The reason why this request is too late or too early; only for requests that were not accepted before."""
    if request.expires_at is not None and request.expires_at <= now:
        return field_error("expires_at", "must lie after now")
    if request.send_at is not None and request.send_at > now + MAX_SCHEDULE:
        return field_error("send_at", "must lie within a year")
    return None


def new_notification(
    request: NotificationRequest, context: RequestContext, found: Resolution, *, user_id: UUID, leased: bool
) -> NewNotification:
    """The row of a request with the result of its look-ups; DependencyUnavailable: they could not be made.

    `leased`: whether this process publishes the row, if it can be published now; otherwise a relay does.
    """
    notification_id: UUID = uuid7()
    resolved = found if isinstance(found, Resolved) else None
    status, code, disposition = _initial_state(request, found, leased=leased)
    # A scheduled notification is looked up again at its time: until then the user may change address or opt out.
    kept = resolved if disposition in {"leased", "due"} else None
    return NewNotification(
        id=notification_id,
        caller=context.caller,
        request_id=request.request_id or str(notification_id),
        body_hash=body_hash(request),
        correlation_id=context.correlation_id,
        trace_context=context.trace_context,
        notification_type=request.notification_type,
        user_id=user_id,
        template_code=request.template_code,
        template_version=kept.template.version if kept else request.template_version,
        language=kept.template.language if kept else request.language,
        variables=request.variables,
        metadata=request.metadata,
        priority=request.priority,
        recipient=kept.recipient.as_json if kept else None,
        given_recipient=None if request.to is None else request.to.recipient.as_json,
        sender=context.sender if request.notification_type == "email" else None,
        email_options=None if request.email is None else options_of(request.email).as_json,
        status=status,
        code=code,
        send_at=request.send_at,
        expires_at=request.expires_at,
        delivery_guarantee=request.delivery_guarantee,
        disposition=disposition,
        overrides=None
        if request.overrides is None
        else request.overrides.as_kept(request.send_at or datetime.now(UTC)),
    )


def _recipient_ids(request: NotificationRequest, context: RequestContext) -> tuple[UUID, ...]:
    """The recipient first, then the recipients of copies: the id of the user, or the one that `to` gets."""
    copies = [recipient_id(address_key(address), context.caller) for address in request.copies]
    if request.to is not None:
        return (recipient_id(request.to.key, context.caller), *copies)
    if request.user_id is None:
        raise ValueError("a request has a user or a recipient")
    return (request.user_id, *copies)


def _initial_state(
    request: NotificationRequest, found: Resolution, *, leased: bool
) -> tuple[Status, str | None, Disposition]:
    match found:
        case Unreachable(code):
            return Status.SUPPRESSED, code, "finished"
        case _ if request.send_at is not None:
            return Status.PENDING, None, "scheduled"
        case Resolved():
            return Status.PENDING, None, "leased" if leased else "due"
        case _:
            return Status.PENDING, None, "deferred"


def body_hash(request: NotificationRequest) -> str:
    """A hash that is equal for requests with the same content, in whatever order their keys are.

    Numbers count by their value: `1.10` equals `1.1`, and long whole numbers differ even in their last digit. A field that
    was added later counts only if it is used, so that older keys are still recognised. Written by hand, because pydantic's
    dump takes twice as long.
    """
    fields: dict[str, object] = {
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
        fields["delivery_guarantee"] = request.delivery_guarantee
    if request.to is not None:
        fields["to"] = request.to.model_dump()
    if request.template_version is not None:
        fields["template_version"] = request.template_version
    if request.email is not None:
        fields["email"] = request.email.fingerprint
    if request.overrides is not None and (overrides := request.overrides.as_json) is not None:
        fields["overrides"] = overrides
    try:
        written = orjson.dumps(fields, option=HASHED)
    except orjson.JSONEncodeError:  # whole numbers of more than 64 bits
        written = orjson.dumps(
            {**fields, **{name: _sorted(fields[name]) for name in ("variables", "metadata")}}, option=HASHED
        )
    return hashlib.sha256(written).hexdigest()


def _sorted(values: object) -> orjson.Fragment:
    return orjson.Fragment(json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":")))
