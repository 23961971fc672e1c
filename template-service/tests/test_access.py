"""The rights of each kind of caller. The user service is down in these tests: tokens are enough."""

import pytest

from contracts.services import SERVICES, TEMPLATE_SERVICE, USER_SERVICE

TEMPLATES = "/api/v1/templates"
READS = [
    ("GET", ""),
    ("GET", "/welcome_email"),
    ("GET", "/welcome_email/versions"),
    ("POST", "/render"),
    ("POST", "/welcome_email/render"),
]
WRITES = [
    ("POST", ""),
    ("PUT", "/welcome_email"),
    ("PATCH", "/welcome_email"),
    ("POST", "/welcome_email/versions/1/activate"),
    ("DELETE", "/welcome_email"),
]
INTERNAL = ["/internal/templates/welcome_email", "/internal/templates/welcome_email/active"]


@pytest.fixture
def body(welcome) -> dict[str, object]:
    return {**welcome, "code": "another", "variables": {"name": "Ada", "link": "https://example.com"}}


@pytest.mark.parametrize(("method", "path"), READS + WRITES)
async def test_every_route_needs_credentials(client_with, method, path) -> None:
    answer = await client_with().request(method, f"{TEMPLATES}{path}", json={})
    assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path"), READS + WRITES)
async def test_a_user_without_scopes_is_refused(admin, client_with, access_token, body, method, path) -> None:
    answer = await client_with(access_token()).request(method, f"{TEMPLATES}{path}", json=body)
    assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")


@pytest.mark.parametrize("route", READS + WRITES)
async def test_each_scope_opens_its_routes_only(admin, welcome, client_with, access_token, body, route) -> None:
    method, path = route
    await admin.post(TEMPLATES, json=welcome)
    reading = await client_with(access_token(scope="templates:read")).request(method, f"{TEMPLATES}{path}", json=body)
    writing = await client_with(access_token(scope="templates:write")).request(method, f"{TEMPLATES}{path}", json=body)
    allowed, refused = (reading, writing) if route in READS else (writing, reading)
    assert allowed.status_code in {200, 201}
    assert refused.status_code == 403


async def test_only_administrators_write_the_mails_of_the_system_itself(
    admin, welcome, client_with, access_token, body
) -> None:
    code = "system.password_reset"
    author = client_with(access_token(scope="templates:write"))
    assert (await author.post(TEMPLATES, json={**body, "code": code})).status_code == 403
    assert (await admin.post(TEMPLATES, json={**welcome, "code": code})).status_code == 201
    for method, path in WRITES[1:]:
        where = f"{TEMPLATES}{path.replace('welcome_email', code)}"
        assert (await author.request(method, where, json=body)).status_code == 403, (method, path)
        assert (await admin.request(method, where, json=body)).status_code == 200, (method, path)


@pytest.mark.parametrize("path", INTERNAL)
async def test_a_user_token_on_an_internal_route_is_refused(admin, client_with, path) -> None:
    assert (await admin.get(path)).status_code == 401
    assert (await client_with().get(path)).status_code == 401


async def test_only_services_ask_for_many(admin, client_with, service_token) -> None:
    for client in (admin, client_with(), client_with(service_token("user-service"))):
        assert (await client.post("/internal/templates/find", json={})).status_code == 401


@pytest.mark.parametrize("path", INTERNAL)
async def test_a_token_for_another_service_is_refused(client_with, service_token, path) -> None:
    assert (await client_with(service_token("user-service")).get(path)).status_code == 401


@pytest.mark.parametrize("path", INTERNAL)
async def test_internal_routes_are_for_the_gateway_and_the_workers(client_with, service_token, path) -> None:
    for service in SERVICES:
        answered = await client_with(service_token(caller=service)).get(path)
        assert (answered.status_code == 403) is (service in {USER_SERVICE, TEMPLATE_SERVICE}), service


@pytest.mark.parametrize(("method", "path"), READS + WRITES)
async def test_a_service_token_on_a_public_route_is_refused(service, method, path) -> None:
    assert (await service.request(method, f"{TEMPLATES}{path}", json={})).status_code == 401


async def test_a_key_cannot_be_checked_while_the_user_service_is_down(client_with) -> None:
    answer = await client_with("nk_" + "a" * 43).get(TEMPLATES)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


async def test_the_service_is_degraded_but_ready_without_the_user_service(admin) -> None:
    health = (await admin.get("/health")).json()
    assert (health["status"], health["data"]["dependencies"]["user-service"]["status"]) == ("degraded", "down")
    assert (await admin.get("/health/readiness")).status_code == 200
