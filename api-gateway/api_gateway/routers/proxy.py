"""The gateway as the single base URL: forwards what belongs to the user and template services, and nothing else."""

import re

from fastapi import APIRouter, Request
from starlette.responses import Response

from api_gateway.dependencies import admit, services_of
from api_gateway.services.forwarding import Forwarder
from chassis.errors import NotFound, PayloadTooLarge
from contracts.lookups import TEMPLATE_SERVICE, USER_SERVICE

router = APIRouter(prefix="/api/v1", include_in_schema=False)

# What each service owns below /api/v1; the OpenAPI document takes these paths from the service's own.
OWNED = {USER_SERVICE: ("users", "erasures", "auth", "applications", "api-keys"), TEMPLATE_SERVICE: ("templates",)}
FORWARDED = tuple(f"/api/v1/{name}" for names in OWNED.values() for name in names)
# Also those that no path has: the owner knows, and says in `Allow`, which ones there are.
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
STRANGERS_BODY_BYTES = 65_536
# A path that another parser could read otherwise: dot segments, empty segments, anything encoded that separates.
UNSAFE = re.compile(rb"//|\\|;|/\.{1,2}(/|$)|%(2e|2f|5c|00|25|3b)", re.IGNORECASE)


async def forward(request: Request) -> Response:
    raw_path: bytes = request.scope.get("raw_path") or request.url.path.encode()
    if UNSAFE.search(raw_path):
        raise NotFound
    known = await admit(services_of(request), request)
    body = await (request.body() if known else _strangers_body(request))
    owner = request.url.path.split("/")[3]
    forwarders: dict[str, Forwarder] = request.app.state.forwarders
    return await forwarders[owner].forward(request, raw_path, body)


async def _strangers_body(request: Request) -> bytes:
    """Signing up and logging in take little, and many strangers may send at once. Raises PayloadTooLarge."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > STRANGERS_BODY_BYTES:
            raise PayloadTooLarge(f"Without credentials a request body has at most {STRANGERS_BODY_BYTES} bytes")
    return bytes(body)


for prefix in (prefix for owned in OWNED.values() for prefix in owned):
    router.add_api_route(f"/{prefix}", forward, methods=METHODS)
    router.add_api_route(f"/{prefix}/{{rest:path}}", forward, methods=METHODS)
