"""Accepting a notification: look-ups, one commit, then the answer; publishing follows.

Nothing but the gateway's own database must be up: what cannot be looked up now is accepted as pending, and a relay
resolves it later.
"""

import hashlib
from dataclasses import dataclass
from uuid import UUID

import orjson
from uuid_utils.compat import uuid7

from api_gateway.errors import IdempotencyKeyReused
from api_gateway.repositories.accepting import Disposition, NewNotification, Receipt
from api_gateway.schemas.requests import NotificationRequest
from api_gateway.services.directory import Directory
from api_gateway.services.outbox import Outbox
from api_gateway.services.resolving import Resolved, Wanted, resolve
from api_gateway.services.store import Store
from chassis.errors import ServiceError
from chassis.http_client import DependencyUnavailable
from chassis.security import Identity
from contracts.reaching import Unreachable
from contracts.status import Status


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asks, in which story and in which trace."""

    identity: Identity
    correlation_id: str
    trace_context: str | None = None


class Acceptor:
    """Accepts notifications. Safe to call from many tasks; they share commits."""

    def __init__(self, directory: Directory, store: Store, outbox: Outbox) -> None:
        self._directory = directory
        self._store = store
        self._outbox = outbox

    async def accept(self, request: NotificationRequest, origin: Origin) -> Receipt:
        """Durable when it returns. The same `request_id` and body give the first receipt again.

        Raises IdempotencyKeyReused, what `resolve` finds wrong with the request, or DatabaseUnavailable.
        """
        try:
            found = await self._look_up(request)
        except ServiceError as refused:
            return await self._first_answer_or(refused, request, origin)
        row = draft(request, origin, found)
        receipt = await self._store.accept(row)
        if receipt.body_hash != row.body_hash:
            raise IdempotencyKeyReused
        if receipt.fresh and row.disposition == "leased":
            self._outbox.offer(row, receipt.created_at)
        return receipt

    async def _look_up(self, request: NotificationRequest) -> Resolved | Unreachable | None:
        """None: a service is away and nothing is cached."""
        try:
            return await resolve(wanted(request), self._directory)
        except DependencyUnavailable:
            return None

    async def _first_answer_or(self, refused: ServiceError, request: NotificationRequest, origin: Origin) -> Receipt:
        """A repeat is answered as the first time, even when the user or the template has gone since."""
        if request.request_id is None:
            raise refused
        first = await self._store.first_answer(origin.identity.caller, request.request_id)
        if first is None:
            raise refused
        if first.body_hash != body_hash(request):
            raise IdempotencyKeyReused
        return first


def wanted(request: NotificationRequest) -> Wanted:
    return Wanted(
        request.notification_type, request.user_id, request.template_code, request.language, request.variables
    )


def draft(request: NotificationRequest, origin: Origin, found: Resolved | Unreachable | None) -> NewNotification:
    """The row of a request, given what the look-ups found."""
    notification_id: UUID = uuid7()
    resolved = found if isinstance(found, Resolved) else None
    status, code, disposition = _beginning(request, found)
    # What is sent later is looked up again then: until that time the user may move, or opt out.
    kept = resolved if disposition == "leased" else None
    return NewNotification(
        id=notification_id,
        caller=origin.identity.caller,
        request_id=request.request_id or str(notification_id),
        body_hash=body_hash(request),
        correlation_id=origin.correlation_id,
        trace_context=origin.trace_context,
        notification_type=request.notification_type,
        user_id=request.user_id,
        template_code=request.template_code,
        template_version=kept.template.version if kept else None,
        language=kept.template.language if kept else request.language,
        variables=request.variables,
        metadata=request.metadata,
        priority=request.priority,
        recipient=kept.recipient.model_dump(mode="json") if kept else None,
        status=status,
        code=code,
        send_at=request.send_at,
        expires_at=request.expires_at,
        delivery_guarantee=request.delivery_guarantee,
        disposition=disposition,
    )


def _beginning(
    request: NotificationRequest, found: Resolved | Unreachable | None
) -> tuple[Status, str | None, Disposition]:
    match found:
        case Unreachable(code):
            return Status.SUPPRESSED, code, "settled"
        case _ if request.send_at is not None:
            return Status.PENDING, None, "scheduled"
        case None:
            return Status.PENDING, None, "deferred"
        case Resolved():
            return Status.PENDING, None, "leased"


def body_hash(request: NotificationRequest) -> str:
    """Two requests are the same when what they ask for is, whatever the order of their keys.

    A field that came later counts only when it is used: a key from before it must still be recognised.
    """
    later = {"delivery_guarantee"} if request.delivery_guarantee == "at_least_once" else set[str]()
    asked = request.model_dump(mode="json", exclude={"request_id", *later})
    return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()
