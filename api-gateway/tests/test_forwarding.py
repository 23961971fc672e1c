"""Requests that are forwarded to another service."""

import asyncio
import json

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.requests import Request

from api_gateway.routers.proxy import FORWARDED_HEADERS, Forwarder
from chassis.errors import Unavailable
from chassis.process.breaker import BreakerPolicy, BreakerState, CircuitBreaker
from testkit.unresponsive import unresponsive_server


def _request() -> Request:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [], "client": ("::1", 1)}
    return Request(scope, receive)


async def test_a_full_pool_of_our_own_does_not_open_the_breaker() -> None:
    breaker = CircuitBreaker("slow", policy=BreakerPolicy(minimum_calls=2))
    async with unresponsive_server() as server:
        small_pool = httpx2.AsyncClient(
            timeout=httpx2.Timeout(30, pool=0.01), limits=httpx2.Limits(max_connections=1), trust_env=False
        )
        forwarder = Forwarder(server.url, breaker, small_pool)
        first = asyncio.create_task(forwarder.forward(_request(), b"/", b""))
        async with asyncio.timeout(10):
            calls = (forwarder.forward(_request(), b"/", b"") for _ in range(10))
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {Unavailable}
            assert breaker.state is BreakerState.CLOSED
            server.close_all.set()
            await asyncio.wait([first])
        assert isinstance(first.exception(), Unavailable)
        await forwarder.close()


async def test_a_5xx_is_the_clients_answer_and_does_not_open_the_breaker(served) -> None:
    """A rush of logins that gets 503 `busy` must not close the other routes of the same service."""
    breaker = CircuitBreaker("busy", policy=BreakerPolicy(minimum_calls=2))
    busy = FastAPI()
    busy.add_api_route("/", lambda: JSONResponse({"error": "busy"}, 503))
    async with served(busy) as url:
        forwarder = Forwarder(url, breaker)
        answers = [await forwarder.forward(_request(), b"/", b"") for _ in range(5)]
        await forwarder.close()
    assert {(one.status_code, bytes(one.body)) for one in answers} == {(503, b'{"error":"busy"}')}
    assert breaker.state is BreakerState.CLOSED


async def spoken(url: str, target: str, **headers: str) -> tuple[int, bytes]:
    """Status and body for a request target exactly as written: an HTTP client would normalise it first."""
    address = httpx2.URL(url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    lines = [f"GET {target} HTTP/1.1", "Host: x", "Connection: close", *(f"{one}: {headers[one]}" for one in headers)]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


UNSAFE = [
    "/../internal/users/find", "/x/../../../internal/users/find", "/%2e%2e/internal/users/find", "/.%2E/health",
    "/..%2finternal/users/find", "/%2e%2e%2f%2e%2e%2fmetrics", "//metrics", "/x//y", "/x/./y", "/x/.", "/x/..",
    "/..\\..\\metrics", "/..%5c..%5cmetrics", "/..;/metrics", "/x;y", "/x%3by", "/x%00", "/%252e%252e/metrics", "/x%252fy",
]  # fmt: skip


async def test_a_path_that_another_parser_may_read_otherwise_leads_nowhere(gateway, served) -> None:
    targets = [f"/api/v1/{owner}{rest}" for owner in ("users", "templates") for rest in UNSAFE]
    async with served(gateway.app) as url:
        statuses = {one: (await spoken(url, one, **gateway.token()))[0] for one in targets}
        assert statuses == dict.fromkeys(targets, 404)
        assert (await spoken(url, "/api/v1/users/x", **gateway.token()))[0] == 200


async def test_identity_headers_and_hop_by_hop_headers_are_not_forwarded(gateway, served) -> None:
    claimed = {
        "X-User-Id": "1", "X-User-Role": "admin", "X-Real-IP": "203.0.113.9", "Forwarded": "for=203.0.113.9",
        "X-Forwarded-Host": "evil.example", "X-Original-URL": "/metrics", "X-Http-Method-Override": "DELETE", "Cookie": "a=b",
        "Keep-Alive": "timeout=5", "TE": "trailers", "Upgrade": "h2c", "Proxy-Authorization": "Basic YTpi",
    }  # fmt: skip
    async with served(gateway.app) as url:
        status, body = await spoken(url, "/api/v1/users/x", **gateway.token(), **claimed)
    assert status == 200
    seen = json.loads(body)["data"]["headers"]
    assert {name.lower() for name in claimed} & seen.keys() == set()
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert seen["authorization"].startswith("Bearer ")


@pytest.mark.parametrize("name", FORWARDED_HEADERS)
async def test_a_header_beyond_ascii_reaches_the_service_and_opens_no_breaker(gateway, name) -> None:
    """Strangers may send it as often as they like."""
    headers = {**gateway.token(), name: "\N{LATIN SMALL LETTER E WITH ACUTE}"}
    given = {one.lower().encode(): value.encode("latin-1") for one, value in headers.items()}
    for _ in range(20):
        answer = await gateway.http.get("/api/v1/unsubscribe/x", headers=given)
        assert answer.status_code in {200, 401}, answer.text
    assert (await gateway.http.get("/api/v1/users/x", headers=gateway.token())).status_code == 200
