"""One request, passed on to the service that owns its path."""

import httpx2
from starlette.requests import Request
from starlette.responses import Response

from chassis.breaker import CircuitBreaker, CircuitOpen
from chassis.correlation import outgoing_headers
from chassis.errors import Unavailable

# What passes, each way. Everything else stays here: hop-by-hop headers, and whatever a client might claim to be.
PASSED_ON = ("authorization", "x-api-key", "content-type", "accept", "accept-language", "if-none-match", "if-match")
PASSED_BACK = ("content-type", "location", "retry-after", "www-authenticate", "etag", "cache-control", "allow")
PASSED_BACK_PREFIX = "ratelimit-"


class Forwarder:
    """To one service. Raises Unavailable when it does not answer or its breaker is open."""

    def __init__(self, base_url: str, breaker: CircuitBreaker) -> None:
        self._breaker = breaker
        self._origin = httpx2.URL(base_url)
        self._http = httpx2.AsyncClient(
            timeout=httpx2.Timeout(15.0, connect=1.0), follow_redirects=False, trust_env=False
        )

    async def forward(self, request: Request, raw_path: bytes, body: bytes) -> Response:
        url = self._origin.copy_with(raw_path=raw_path + _query(request))
        try:
            async with self._breaker.guard(never_made=httpx2.PoolTimeout):
                answer = await self._http.request(request.method, url, headers=_headers(request), content=body)
        except (CircuitOpen, httpx2.HTTPError) as error:
            raise Unavailable("The service behind this is not available right now; try again") from error
        passed = {name: value for name, value in answer.headers.items() if _passes_back(name)}
        return Response(answer.content, status_code=answer.status_code, headers=passed)

    async def close(self) -> None:
        await self._http.aclose()


def _query(request: Request) -> bytes:
    query: bytes = request.scope["query_string"]
    return b"?" + query if query else b""


def _headers(request: Request) -> dict[str, str]:
    passed = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
    client = request.client.host if request.client else ""
    return {**passed, **outgoing_headers(), "X-Forwarded-For": client}


def _passes_back(name: str) -> bool:
    return name in PASSED_BACK or name.startswith(PASSED_BACK_PREFIX)
