from secrets import token_urlsafe
from typing import Annotated

import httpx2
import pytest
from fastapi import Depends, FastAPI

from chassis.http.error_handlers import install_error_handlers
from chassis.security import (
    Admin,
    Authenticator,
    Caller,
    Identity,
    ServiceCallers,
    ServiceTokens,
    calling_service,
    new_api_key,
    require,
)
from chassis.security.service_keys import ServiceKey

GATEWAY, WORKER = (ServiceKey(service, token_urlsafe(32)) for service in ("api-gateway", "email-service"))
KEYS = {key.public: key.service for key in (GATEWAY, WORKER)}
ByGateway = Annotated[str, Depends(calling_service("api-gateway"))]
Reader = Annotated[Identity, Depends(require("notifications:read"))]


class Directory:
    def __init__(self):
        self.key = new_api_key()

    async def find(self, key):
        scopes = frozenset({"notifications:read"})
        return Identity("api_key", "k1", "42", "admin", scopes) if key == self.key else None


@pytest.fixture
def directory():
    return Directory()


@pytest.fixture
def app(verifier, directory, wall_clock):
    app = FastAPI()
    install_error_handlers(app)
    app.state.authenticator = Authenticator(verifier, directory, None)
    app.state.service_callers = ServiceCallers(KEYS, "user-service", clock=wall_clock)

    @app.get("/me")
    async def me(caller: Caller) -> str:
        return caller.caller

    @app.get("/notifications")
    async def notifications(caller: Reader) -> str:
        return caller.caller

    @app.get("/admin")
    async def admin(caller: Admin) -> str:
        return caller.caller

    @app.get("/internal")
    async def internal(service: ByGateway) -> str:
        return service

    return app


@pytest.fixture
async def client(app):
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as client:
        yield client


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


async def test_a_caller_is_known_by_token_or_by_key(client, issuer, directory):
    assert (await client.get("/me", headers=bearer(issuer.token()))).json() == "user:42"
    assert (await client.get("/me", headers=bearer(directory.key))).json() == "key:k1"
    assert (await client.get("/me", headers={"X-API-Key": directory.key})).json() == "key:k1"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic dXNlcjpwYXNz"},
        {"Authorization": "Bearer a.b.c"},
        {"Authorization": b"Bearer \xff\xfe"},
        {"X-API-Key": "nk_unknown-unknown-unknown-unknown"},
        {"X-API-Key": "\u00fc".encode()},
    ],
)
@pytest.mark.parametrize("path", ["/me", "/notifications", "/admin", "/internal"])
async def test_without_good_credentials_the_answer_is_401_in_the_envelope(client, path, headers):
    answer = await client.get(path, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json()["success"] is False
    assert answer.json()["error"] == "unauthorized"


async def test_a_scope_is_required_where_it_is_asked_for(client, issuer, directory):
    assert (await client.get("/notifications", headers=bearer(issuer.token()))).status_code == 403
    scoped = issuer.token(payload=issuer.claims(scope="notifications:read"))
    assert (await client.get("/notifications", headers=bearer(scoped))).status_code == 200
    assert (await client.get("/notifications", headers=bearer(directory.key))).status_code == 200


async def test_admin_routes_are_for_administrators(client, issuer, directory):
    admin = issuer.token(payload=issuer.claims(role="admin"))
    assert (await client.get("/admin", headers=bearer(admin))).status_code == 200
    assert (await client.get("/admin", headers=bearer(issuer.token()))).status_code == 403
    assert (await client.get("/admin", headers=bearer(directory.key))).status_code == 403


async def test_internal_routes_are_for_services_and_public_ones_are_not(client, issuer, wall_clock, directory):
    service = ServiceTokens(GATEWAY, clock=wall_clock).issue("user-service")
    assert (await client.get("/internal", headers=bearer(service))).json() == "api-gateway"
    assert (await client.get("/me", headers=bearer(service))).status_code == 401
    for token in (issuer.token(), directory.key):
        assert (await client.get("/internal", headers=bearer(token))).status_code == 401


async def test_an_internal_route_is_for_the_services_it_names(client, wall_clock):
    worker = ServiceTokens(WORKER, clock=wall_clock).issue("user-service")
    answer = await client.get("/internal", headers=bearer(worker))
    assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")


async def test_the_schemes_are_in_the_openapi_document(client):
    document = (await client.get("/openapi.json")).json()
    assert set(document["components"]["securitySchemes"]) == {"access_token", "api_key", "service_token"}
    for path in ("/me", "/notifications", "/admin"):
        assert document["paths"][path]["get"]["security"] == [{"access_token": []}, {"api_key": []}]
    assert document["paths"]["/internal"]["get"]["security"] == [{"service_token": []}]
    assert not any(operation["get"].get("parameters") for operation in document["paths"].values())
