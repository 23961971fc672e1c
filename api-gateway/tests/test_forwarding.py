"""What is passed on to another service."""

import asyncio

import httpx2
from starlette.requests import Request

from api_gateway.services.forwarding import Forwarder
from chassis.breaker import BreakerPolicy, BreakerState, CircuitBreaker
from chassis.errors import Unavailable
from tests.holding import holding_server


def _request() -> Request:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [], "client": ("::1", 1)}
    return Request(scope, receive)


async def test_a_full_pool_of_our_own_does_not_open_the_breaker() -> None:
    breaker = CircuitBreaker("slow", policy=BreakerPolicy(minimum_calls=2))
    async with holding_server() as holding:
        forwarder = Forwarder(holding.url, breaker)
        await forwarder._http.aclose()
        forwarder._http = httpx2.AsyncClient(
            timeout=httpx2.Timeout(30, pool=0.01), limits=httpx2.Limits(max_connections=1), trust_env=False
        )
        first = asyncio.create_task(forwarder.forward(_request(), b"/", b""))
        async with asyncio.timeout(10):
            calls = (forwarder.forward(_request(), b"/", b"") for _ in range(10))
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {Unavailable}
            assert breaker.state is BreakerState.CLOSED
            holding.release.set()
            await asyncio.wait([first])
        assert isinstance(first.exception(), Unavailable)
        await forwarder.close()
