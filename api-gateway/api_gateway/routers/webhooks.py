"""Webhooks of e-mail providers, passed on to the e-mail service, which checks their signatures. They have no caller."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from api_gateway.dependencies import services_of
from api_gateway.routers.proxy import FORWARDED_BODY_BYTES, METHODS, read_body, send_on
from chassis.errors import TooManyRequests
from chassis.http.middleware import put_headers
from chassis.raw_headers import address_of

router = APIRouter(prefix="/api/v1/webhooks", include_in_schema=False)


@router.api_route("/{provider}", methods=METHODS)
async def receive(request: Request) -> Response:
    """Strangers have a smaller limit and smaller bodies: a provider reports each mail, from a few addresses, and SendGrid
    many mails at once."""
    decision = await services_of(request).webhooks.check(address_of(request.scope))
    put_headers(request.scope, decision.headers())
    if not decision.allowed:
        raise TooManyRequests
    return await send_on(request, await read_body(request, FORWARDED_BODY_BYTES))
