"""The suppression list, and mails that came back, for administrators. The e-mail service owns both."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from api_gateway.dependencies import Services, limited
from api_gateway.errors import SuppressionNotFound
from api_gateway.routers.suppression_files import read_addresses
from api_gateway.schemas.suppressions import (
    BounceView,
    ImportQuery,
    ImportView,
    SuppressionQuery,
    SuppressionRequest,
    SuppressionsView,
    SuppressionView,
)
from chassis.audit import Acting
from chassis.errors import DependencyUnavailable, PayloadTooLarge, TooManyRequests, field_error
from chassis.http.envelope import Envelope, Meta, Page, ValidationRefusal, answer, pluralize
from chassis.http.openapi.document import refusals
from chassis.security import Admin
from contracts.suppressions import NewSuppressions, SuppressionQuestion

router = APIRouter(
    prefix="/api/v1",
    tags=["suppressions"],
    responses=refusals(TooManyRequests, DependencyUnavailable),
    dependencies=[Depends(limited)],
)

# The address itself is not used, because access logs contain paths.
Fingerprint = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the address in lower case")]


@router.get("/suppressions", summary="List suppressed addresses, newest first", response_model=Page[SuppressionView])
async def list_suppressions(query: Annotated[SuppressionQuery, Query()], _admin: Admin, services: Services) -> Response:
    """For administrators. Addresses are masked; the fingerprint identifies them."""
    found = await services.suppressions.page(
        SuppressionQuestion(reason=query.reason, limit=query.limit, offset=query.offset)
    )
    meta = Meta.for_page(found.total, limit=query.limit, page=query.page)
    return answer(found.entries, pluralize(len(found.entries), "suppression"), meta=meta)


@router.post("/suppressions", summary="Suppress addresses", response_model=Envelope[SuppressionsView])
async def add_suppressions(wanted: SuppressionRequest, _admin: Admin, actor: Acting, services: Services) -> Response:
    """For administrators: up to 1,000 addresses, for example those of another system's list. They get no mail from now on. An
    address that is on the list keeps its first reason."""
    new = NewSuppressions(emails=tuple(wanted.emails), reason=wanted.reason)
    return answer(await services.suppressions.add(new, actor), "Suppressed")


@router.post(
    "/suppressions/import",
    summary="Suppress the addresses of a file",
    response_model=Envelope[ImportView],
    responses={
        **refusals(PayloadTooLarge),
        422: {"model": ValidationRefusal, "description": "Lines that are not valid; then no address was added"},
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "text/csv": {
                    "schema": {"type": "string"},
                    "examples": {"two": {"value": "email,reason\r\nada@example.com,bounced\r\nbo@example.com,\r\n"}},
                }
            },
        }
    },
)
async def import_suppressions(
    query: Annotated[ImportQuery, Query()], request: Request, _admin: Admin, actor: Acting, services: Services
) -> Response:
    """For administrators: CSV whose first line names the columns `email` and perhaps `reason` (others are ignored), or with
    the Content-Type `application/x-ndjson` one JSON object a line, up to 100,000 rows. An exported file has `fingerprint` and
    `masked` in place of `email`. Lines that are not valid are named in a 422, and nothing is added. After a 503 a part may
    have been added: send the file again."""
    json = "json" in request.headers.get("content-type", "")
    addresses = await read_addresses(request.stream(), json=json, reason=query.reason)
    added = await services.suppressions.import_all(addresses.by_reason, addresses.exported, actor)
    return answer({"rows": addresses.rows, "added": added}, "Suppressed")


@router.get(
    "/suppressions/{fingerprint}",
    summary="Get a suppressed address",
    response_model=Envelope[SuppressionView],
    responses=refusals(SuppressionNotFound),
)
async def get_suppression(fingerprint: Fingerprint, _admin: Admin, services: Services) -> Response:
    """For administrators."""
    return answer(await services.suppressions.get(fingerprint))


@router.delete(
    "/suppressions/{fingerprint}",
    summary="Send mail to an address again",
    response_model=Envelope[None],
    responses=refusals(SuppressionNotFound),
)
async def remove_suppression(fingerprint: Fingerprint, _admin: Admin, actor: Acting, services: Services) -> Response:
    """For administrators. Mail is sent to the address from now on."""
    await services.suppressions.remove(fingerprint, actor)
    return answer(message="Mail is sent to this address again")


@router.post(
    "/bounces",
    summary="Report a mail that came back",
    response_model=Envelope[BounceView],
    responses={
        **refusals(PayloadTooLarge),
        422: {"model": ValidationRefusal, "description": "There is no mail in the body"},
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {
                    "schema": {"type": "string", "format": "binary"},
                    "examples": {
                        "report": {"value": "From: MAILER-DAEMON@mx.example.net\r\nSubject: Returned\r\n\r\n"}
                    },
                }
            },
        }
    },
)
async def report_bounce(request: Request, _admin: Admin, services: Services) -> Response:
    """For administrators: the whole mail as it came (also as `message/rfc822`), a delivery report (RFC 3464) or a complaint
    (RFC 5965), for example from the mailbox of `FROM_EMAIL`. Repeating it changes nothing."""
    mail = await request.body()
    if not mail:
        raise field_error("body", "is the whole mail")
    return answer(await services.suppressions.report_bounce(mail))
