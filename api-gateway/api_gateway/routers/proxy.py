"""Users, templates and webhooks through the gateway: requests are forwarded to the services that own them."""

import re

import httpx2
from fastapi import APIRouter, Request
from starlette.responses import Response

from api_gateway.dependencies import enforce_forwarding_limit, services_of
from chassis.errors import NotFound, PayloadTooLarge, Unavailable
from chassis.observability.correlation import outgoing_headers
from chassis.process.breaker import CircuitBreaker, CircuitOpen
from chassis.settings import ServiceSettings
from chassis.tls import context_for
from contracts.services import EMAIL_SERVICE, TEMPLATE_SERVICE, USER_SERVICE

# Headers that are forwarded in each direction. All others are dropped: hop-by-hop headers, and identity headers of a client.
FORWARDED_HEADERS = (
    "authorization", "x-api-key", "content-type", "accept", "accept-language", "if-none-match", "if-match",
    "x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp",
)  # fmt: skip
RETURNED_HEADERS = ("content-type", "location", "retry-after", "www-authenticate", "etag", "cache-control", "allow")
RETURNED_PREFIX = "ratelimit-"


class Forwarder:
    """Forwards to one service. Raises Unavailable when the service does not answer or its breaker is open.

    A 5xx is forwarded, and is no failure at the breaker as it is in `ServiceClient`: it is the client's answer, and a rush of
    logins that gets 503 `busy` must not close the other routes of the same service.
    """

    def __init__(self, base_url: str, breaker: CircuitBreaker, http: httpx2.AsyncClient | None = None) -> None:
        self._breaker = breaker
        self._origin = httpx2.URL(base_url)
        self._http = http or httpx2.AsyncClient(
            timeout=httpx2.Timeout(15.0, connect=1.0), verify=context_for(base_url), trust_env=False
        )

    async def forward(self, request: Request, raw_path: bytes, body: bytes) -> Response:
        url = self._origin.copy_with(raw_path=raw_path + _query(request))
        try:
            async with self._breaker.guard(never_made=httpx2.PoolTimeout):
                answer = await self._http.request(request.method, url, headers=_headers(request), content=body)
        except (CircuitOpen, httpx2.HTTPError) as error:
            raise Unavailable("The service behind this is not available right now; try again") from error
        returned = {name: value for name, value in answer.headers.items() if _is_returned(name)}
        return Response(answer.content, status_code=answer.status_code, headers=returned)

    async def close(self) -> None:
        await self._http.aclose()


def _query(request: Request) -> bytes:
    query: bytes = request.scope["query_string"]
    return b"?" + query if query else b""


def _headers(request: Request) -> dict[bytes, bytes]:
    """As bytes: the HTTP client refuses texts beyond ASCII, and that would count as a failure of the service."""
    client = request.client.host if request.client else ""
    forwarded = {name: request.headers[name] for name in FORWARDED_HEADERS if name in request.headers}
    headers = {**forwarded, **outgoing_headers(), "X-Forwarded-For": client}
    return {name.encode(): value.encode("latin-1") for name, value in headers.items()}


def _is_returned(name: str) -> bool:
    return name in RETURNED_HEADERS or name.startswith(RETURNED_PREFIX)


router = APIRouter(prefix="/api/v1", include_in_schema=False)

# The paths below /api/v1 that each service owns. The OpenAPI document takes them from the service's own document.
OWNED = {
    USER_SERVICE: ("users", "erasures", "auth", "applications", "api-keys", "push", "unsubscribe"),
    TEMPLATE_SERVICE: ("templates", "snippets"),
    EMAIL_SERVICE: ("webhooks",),
}
FORWARDED = tuple(f"/api/v1/{name}" for names in OWNED.values() for name in names)
# Methods that a path does not have are forwarded, too: the owner answers with the allowed ones in `Allow`.
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
# Bodies of sign-up and login are small, and many clients may send them at once.
STRANGERS_BODY_BYTES = 65_536
# What the services accept by default. A larger body is refused here: a service answers it before it has read it all, and
# then closes the connection, so that the answer may be lost on its way.
FORWARDED_BODY_BYTES: int = ServiceSettings.model_fields["max_body_bytes"].default
# Paths that another parser could read differently: dot segments, empty segments, encoded separators.
UNSAFE = re.compile(rb"//|\\|;|/\.{1,2}(/|$)|%(2e|2f|5c|00|25|3b)", re.IGNORECASE)


async def forward(request: Request) -> Response:
    if UNSAFE.search(_raw_path(request)):
        raise NotFound
    known = await enforce_forwarding_limit(services_of(request), request)
    body = await (
        read_body(request, FORWARDED_BODY_BYTES)
        if known
        else read_body(request, STRANGERS_BODY_BYTES, "Without credentials")
    )
    return await send_on(request, body)


async def send_on(request: Request, body: bytes) -> Response:
    """To the owner of the path. Raises NotFound, Unavailable."""
    raw_path = _raw_path(request)
    if UNSAFE.search(raw_path):
        raise NotFound
    owner = request.url.path.split("/")[3]
    forwarders: dict[str, Forwarder] = request.app.state.forwarders
    return await forwarders[owner].forward(request, raw_path, body)


def _raw_path(request: Request) -> bytes:
    return request.scope.get("raw_path") or request.url.path.encode()


async def read_body(request: Request, limit: int, whose: str = "Here") -> bytes:
    """Raises PayloadTooLarge as soon as more than `limit` bytes have arrived."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > limit:
            raise PayloadTooLarge(f"{whose} a request body has at most {limit} bytes")
    return bytes(body)


for prefix in (prefix for owned in OWNED.values() for prefix in owned):
    router.add_api_route(f"/{prefix}", forward, methods=METHODS)
    router.add_api_route(f"/{prefix}/{{rest:path}}", forward, methods=METHODS)
