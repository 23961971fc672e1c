"""How the client maps answers of another service."""

import asyncio
import time
from collections.abc import AsyncIterator
from secrets import token_urlsafe

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse
from pydantic import TypeAdapter

from chassis.errors import DependencyUnavailable
from chassis.http.client import ServiceClient, data_of, found_of
from chassis.http.envelope import Envelope
from chassis.http.error_handlers import install_error_handlers
from chassis.process.breaker import BreakerPolicy, BreakerState, CircuitBreaker
from chassis.security import ServiceCallers, ServiceTokens
from chassis.security.service_keys import ServiceKey
from testkit.serving import serving
from testkit.unresponsive import unresponsive_server

ME = ServiceKey("me", token_urlsafe(32))

NUMBER = TypeAdapter(Envelope[int])


def test_an_answer_is_its_data_and_a_404_is_none() -> None:
    assert data_of(NUMBER, 200, b'{"data": 7}') == 7
    assert data_of(NUMBER, 404, b"whatever") is None


@pytest.mark.parametrize(
    ("status", "body"),
    [(401, b"{}"), (200, b"not json"), (200, b'{"data": "x"}'), (200, b'{"data": null}'), (302, b"")],
)
def test_anything_else_is_not_the_callers_fault(status: int, body: bytes) -> None:
    with pytest.raises(DependencyUnavailable):
        data_of(NUMBER, status, body)


@pytest.mark.parametrize("status", [404, 405, 401, 422, 302])
def test_a_service_that_is_older_than_a_question_about_many_has_said_nothing(status: int) -> None:
    assert found_of(NUMBER, 200, b'{"data": 7}') == 7
    with pytest.raises(DependencyUnavailable):
        found_of(NUMBER, status, b'{"data": 7}')


@pytest.fixture
async def things() -> AsyncIterator[str]:
    """A service for service tokens only that answers a POST with the length of its body."""
    app = FastAPI()
    install_error_handlers(app)
    callers = ServiceCallers({ME.public: ME.service}, "things")

    @app.get("/elsewhere")
    async def elsewhere() -> RedirectResponse:
        return RedirectResponse("/things")

    @app.post("/things")
    async def count(request: Request) -> int:
        callers.authenticate(request.headers.get("Authorization"))
        return len(await request.body())

    async with serving(app) as url:
        yield url


@pytest.mark.parametrize("ahead", [-600, 0, 600])
async def test_a_clock_that_is_off_does_not_block_calls(things: str, ahead: float) -> None:
    tokens = ServiceTokens(ME, clock=lambda: time.time() + ahead)
    client = ServiceClient(things, "things", tokens, CircuitBreaker("things"))
    assert [await client.post("/things", b"four") for _ in range(2)] == [(200, b"4")] * 2
    await client.close()


async def test_another_key_is_still_refused(things: str) -> None:
    client = ServiceClient(
        things, "things", ServiceTokens(ServiceKey("me", token_urlsafe(32))), CircuitBreaker("things")
    )
    assert (await client.post("/things", b"four"))[0] == 401
    await client.close()


async def test_a_redirect_is_an_answer_that_is_not_followed(things: str) -> None:
    client = ServiceClient(f"{things}/", "things", ServiceTokens(ME), CircuitBreaker("things"))
    assert (await client.get("/elsewhere"))[0] == 307
    await client.close()


async def test_a_hanging_call_does_not_block_the_next_call() -> None:
    """No call waits for another one: each is made and counted by the breaker as a failure."""
    breaker = CircuitBreaker("slow", policy=BreakerPolicy(minimum_calls=200))
    async with unresponsive_server() as server:
        client = ServiceClient(server.url, "slow", ServiceTokens(ME), breaker)
        async with asyncio.timeout(10):
            outcomes = await asyncio.gather(*(client.get("/") for _ in range(200)), return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {DependencyUnavailable}
        assert breaker.state is BreakerState.OPEN
        await client.close()
