"""`POST /api/v1/notifications` and its batch form."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

from fastapi import Request
from starlette.responses import Response

from api_gateway.dependencies import GatewayServices, allow_sending, enforce_rate_limit, services_of
from api_gateway.errors import (
    AttachmentUnreachable,
    BatchRejected,
    IdempotencyKeyReused,
    PushTooLarge,
    RecipientLimited,
    UserNotFound,
)
from api_gateway.repositories.accepting import Receipt
from api_gateway.routers.bodies import parse_batch, parse_item, parse_notification
from api_gateway.schemas.answers import Accepted, BatchAnswer, BatchRefusal
from api_gateway.schemas.requests import NotificationRequest
from api_gateway.services.accepting import RequestContext
from api_gateway.services.resolving import CANNOT_BE_SENT
from chassis.errors import Forbidden, PayloadTooLarge, ServiceError, TooManyRequests, field_error
from chassis.http.envelope import Envelope, ValidationRefusal, answer
from chassis.http.fast_routes import FastRouter, body_of
from chassis.http.middleware import declared_length
from chassis.http.openapi.document import refusals
from chassis.observability.correlation import correlation_id
from chassis.observability.tracing import trace_context
from chassis.process.yielding import map_yielding
from chassis.raw_headers import header_of
from chassis.security import Identity, authenticate
from contracts.system_mails import SYSTEM_TEMPLATES
from contracts.topology import URGENT

router = FastRouter(prefix="/api/v1/notifications", tags=["notifications"])

LARGE_BODY_BYTES = 1_048_576  # the largest that other services take; larger ones are read a few at a time

# The API's specification gives this text. The notification is accepted: `status` says whether it is pending or suppressed.
QUEUED = "Notification queued successfully"
REPEATED = "Repeated request: this notification was accepted before"


def _body(name: str, *parameters: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI entry of a body that is parsed by hand; `name` is its model's name among the description's `bodies`."""
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}},
        },
        "security": [{"access_token": []}, {"api_key": []}],
        "parameters": list(parameters),
    }


IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    "description": "An alias of request_id",
}
REPLAYED = {
    "headers": {
        "Idempotent-Replayed": {
            "description": "`true` when this `request_id` was answered before",
            "schema": {"type": "string", "const": "true"},
        }
    }
}


@router.post(
    "",
    status_code=202,
    summary="Accept a notification",
    response_model=Envelope[Accepted],
    responses={
        202: REPLAYED,
        **refusals(
            *CANNOT_BE_SENT,
            PushTooLarge,
            IdempotencyKeyReused,
            AttachmentUnreachable,
            TooManyRequests,
            RecipientLimited,
        ),
    },
    openapi_extra=_body("NotificationRequest", IDEMPOTENCY_KEY),
)
async def create_notification(request: Request) -> Response:
    """202 means that the notification is durable: it will reach a visible final status.

    The same `request_id` with the same body gets the first answer again, with the header `Idempotent-Replayed: true`.
    """
    services = services_of(request)
    identity = await authenticate(request)
    await enforce_rate_limit(services, request, identity)
    allow_sending(services, identity)
    if (declared_length(request.scope) or 0) > LARGE_BODY_BYTES:
        async with services.large_bodies.turn(identity.caller):
            return await _accept(services, identity, request, await _large_notification(services, request))
    key = header_of(request.scope, b"idempotency-key")
    return await _accept(services, identity, request, parse_notification(await body_of(request), key))


async def _large_notification(services: GatewayServices, request: Request) -> NotificationRequest:
    """Parsed in a thread: base64 of 7 MB takes 50 ms. Raises PayloadTooLarge if it is larger than `max_body_bytes` and has no
    attachments, or if it names URLs: while these are fetched, the body would take the place of other large ones.
    """
    raw = await body_of(request)
    notification = await asyncio.to_thread(parse_notification, raw, header_of(request.scope, b"idempotency-key"))
    if len(raw) > services.max_body_bytes and (notification.email is None or not notification.email.attachments):
        raise PayloadTooLarge(f"Without attachments a request body has at most {services.max_body_bytes} bytes")
    if notification.names_urls:
        raise PayloadTooLarge(f"With attachments by url a request body has at most {LARGE_BODY_BYTES} bytes")
    return notification


async def _accept(
    services: GatewayServices, identity: Identity, request: Request, notification: NotificationRequest
) -> Response:
    may_send(identity, notification)
    if notification.copies:
        await enforce_rate_limit(services, request, identity, len(notification.copies))
    receipt = await services.acceptor.accept(notification, _context(identity))
    if receipt.is_new:
        services.metrics.count_transition(notification.notification_type, receipt.status)
        if identity.test:
            services.metrics.count_test_notifications([notification.notification_type])
        return answer(_data(receipt), QUEUED, status=202)
    services.metrics.count_repeats(1)
    return answer(_data(receipt), REPEATED, status=202, headers={"Idempotent-Replayed": "true"})


@router.post(
    "/batch",
    operation_id="create_notification_batch",
    status_code=202,
    summary="Accept up to 1,000 notifications",
    response_model=Envelope[BatchAnswer],
    responses={
        **refusals(TooManyRequests),
        422: {"model": ValidationRefusal | BatchRefusal, "description": "The batch is not valid, or none of it"},
    },
    openapi_extra=_body("BatchRequest"),
)
async def create_batch(request: Request) -> Response:
    """Each item is accepted or refused on its own; `results` are in the order of the items.

    202 if at least one item is accepted, now or earlier; 422 `batch_rejected`, with the same `data`, if none is. A batch with
    more items than the caller's rate limit ever allows at once gets 422 `batch_exceeds_rate_limit`.
    """
    services = services_of(request)
    identity = await authenticate(request)
    allow_sending(services, identity)
    items = parse_batch(await body_of(request))
    await enforce_rate_limit(services, request, identity, len(items))
    context = _context(identity)
    parsed = await map_yielding(partial(_permitted, identity=identity), items)
    good = [one for one in parsed if isinstance(one, NotificationRequest)]
    if copies := sum(len(one.copies) for one in good):
        await enforce_rate_limit(services, request, identity, copies)
    accepted = await services.acceptor.accept_all(good, context)
    _count(services, identity, good, accepted)
    answers = iter(accepted)
    outcomes = [one if isinstance(one, ServiceError) else next(answers) for one in parsed]
    results = await map_yielding(lambda item: _item(*item), [*enumerate(outcomes)])
    receipts = [outcome for outcome in outcomes if isinstance(outcome, Receipt)]
    counts = {
        "accepted": sum(receipt.is_new for receipt in receipts),
        "replayed": sum(not receipt.is_new for receipt in receipts),
        "rejected": len(outcomes) - len(receipts),
    }
    message = f"{counts['accepted']} accepted, {counts['replayed']} replayed, {counts['rejected']} rejected"
    data = {**counts, "results": results}
    if not receipts:
        raise BatchRejected(message, data=data)
    return answer(data, message, status=202)


def _context(identity: Identity) -> RequestContext:
    return RequestContext(identity.caller, correlation_id(), trace_context(), identity.sender)


def _permitted(item: bytes, identity: Identity) -> NotificationRequest | ServiceError:
    """One item of a batch, or the reason why it is refused before any look-up."""
    notification = parse_item(item)
    if isinstance(notification, ServiceError):
        return notification
    if notification.email is not None and any(one.content is not None for one in notification.email.attachments):
        return field_error(
            "email.attachments", "A batch takes attachments by url only; send this notification by itself"
        )
    try:
        may_send(identity, notification)
    except ServiceError as refused:
        return refused
    return notification


def _count(
    services: GatewayServices,
    identity: Identity,
    notifications: Sequence[NotificationRequest],
    outcomes: Sequence[Receipt | ServiceError],
) -> None:
    pairs = [
        (one, receipt) for one, receipt in zip(notifications, outcomes, strict=True) if isinstance(receipt, Receipt)
    ]
    new = [(one.notification_type, receipt.status) for one, receipt in pairs if receipt.is_new]
    services.metrics.count_transitions(new)
    services.metrics.count_repeats(len(pairs) - len(new))
    if identity.test:
        services.metrics.count_test_notifications(channel for channel, _ in new)


def may_send(identity: Identity, notification: NotificationRequest) -> None:
    """Users may send to themselves only, if they may send at all; any other user is unknown to them. An application sends on
    its own channels, and urgent notifications only with the scope for them. Only administrators may use the templates of the
    system's own mails. Raises UserNotFound, Forbidden.
    """
    if notification.template_code.startswith(SYSTEM_TEMPLATES) and not identity.is_admin:
        raise Forbidden("This template is for the mails of the system itself")
    if identity.kind == "user":
        if notification.to is not None and not identity.is_admin:
            raise Forbidden("Only applications send to addresses and devices of their own")
        if not identity.is_admin and str(notification.user_id) != identity.user_id:
            raise UserNotFound
        if (notification.copies or notification.names_urls) and not identity.is_admin:
            raise Forbidden("Only applications send copies, and attachments by url")
        return
    if identity.channels is not None and notification.notification_type not in identity.channels:
        raise Forbidden(f"This application does not send by {notification.notification_type}")
    if notification.priority >= URGENT and not identity.allows("notifications:urgent"):
        raise Forbidden(f"Priorities {URGENT} and above need the scope notifications:urgent")


def _data(receipt: Receipt) -> dict[str, object]:
    return {
        "notification_id": receipt.notification_id,
        "status": receipt.status,
        "created_at": receipt.created_at,
    }


def _item(index: int, outcome: Receipt | ServiceError) -> dict[str, object]:
    if isinstance(outcome, ServiceError):
        return {
            "index": index, "success": False, "status_code": outcome.status, "message": outcome.message,
            "error": outcome.code, "data": outcome.data,
        }  # fmt: skip
    return {
        "index": index, "success": True, "status_code": 202, "message": QUEUED if outcome.is_new else REPEATED,
        "error": None, "data": _data(outcome),
    }  # fmt: skip
