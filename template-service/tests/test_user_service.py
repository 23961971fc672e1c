"""Access tokens by the user service's published keys, API keys by its look-up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
import uvicorn
from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response

from chassis.errors import NotFound
from chassis.http.envelope import answer, refusal
from chassis.security import ServiceCallers, generate_es256_key, hash_api_key, public_jwk
from testkit.eventually import eventually

TEMPLATES = "/api/v1/templates"
KEY = "nk_" + "k" * 43


class Users:
    """A user service with one signing key and one API key."""

    def __init__(self, public_keys: dict[str, str]) -> None:
        self.signing_key = generate_es256_key()
        self.address = ""
        self._callers = ServiceCallers(public_keys, "user-service")
        self.app = FastAPI()
        self.app.add_api_route("/.well-known/jwks.json", self.jwks)
        self.app.add_api_route("/internal/api-keys/find", self.find, methods=["POST"])

    async def jwks(self) -> Response:
        return JSONResponse({"keys": [public_jwk(self.signing_key)]})

    async def find(self, request: Request) -> Response:
        assert self._callers.authenticate(request.headers["Authorization"]) == "template-service"
        if (await request.json())["hash"] != hash_api_key(KEY):
            return refusal(NotFound())
        return answer({"id": str(uuid4()), "user_id": str(uuid4()), "scopes": ["templates:read"]})


@asynccontextmanager
async def served(app: FastAPI, port: int) -> AsyncIterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, lifespan="off"))
    running = asyncio.create_task(server.serve())
    await eventually(lambda: server.started, 10)
    try:
        yield
    finally:
        server.should_exit = True
        await running


@pytest.fixture
def users(settings) -> Users:
    return Users(settings.service_public_keys)


@pytest.fixture
def settings(settings, unused_tcp_port):
    """In each of these tests the service starts before the user service."""
    return settings.model_copy(update={"algorithm": "ES256", "user_service_url": f"http://127.0.0.1:{unused_tcp_port}"})


async def test_a_token_signed_with_a_published_key_is_good(client_with, access_token, users, unused_tcp_port) -> None:
    async with served(users.app, unused_tcp_port):
        good = access_token(users.signing_key, role="admin")
        assert (await client_with(good).get(TEMPLATES)).status_code == 200
        forged = access_token(generate_es256_key(), role="admin")
        assert (await client_with(forged).get(TEMPLATES)).status_code == 401
        shared = access_token(role="admin")  # HS256, which this service does not take
        assert (await client_with(shared).get(TEMPLATES)).status_code == 401


async def test_known_keys_serve_on_when_the_user_service_goes(
    client_with, access_token, users, unused_tcp_port
) -> None:
    async with served(users.app, unused_tcp_port):
        assert (await client_with(access_token(users.signing_key, role="admin")).get(TEMPLATES)).status_code == 200
    another = access_token(users.signing_key, role="admin")
    assert (await client_with(another).get(TEMPLATES)).status_code == 200


async def test_a_token_is_not_called_invalid_before_the_keys_are_known(client_with, access_token, users) -> None:
    answered = await client_with(access_token(users.signing_key, role="admin")).get(TEMPLATES)
    assert answered.status_code == 503
    assert answered.headers["Retry-After"]


async def test_an_api_key_has_the_scopes_its_owner_says(client_with, users, unused_tcp_port) -> None:
    async with served(users.app, unused_tcp_port):
        client = client_with()
        assert (await client.get(TEMPLATES, headers={"X-API-Key": KEY})).status_code == 200
        assert (await client.delete(f"{TEMPLATES}/x", headers={"X-API-Key": KEY})).status_code == 403
        assert (await client.get(TEMPLATES, headers={"X-API-Key": "nk_" + "x" * 43})).status_code == 401
