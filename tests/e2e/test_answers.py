"""What the running services answer is what their OpenAPI documents say: successes, and refusals of every kind."""

from collections.abc import Callable
from uuid import uuid4

import httpx2
import pytest

from testkit.system import ADMIN, MODULES, System
from tests.openapi.conformance import Document

NOBODY = uuid4()
Call = Callable[..., httpx2.Response]


@pytest.fixture
def call(system: System) -> Call:
    """Calls the gateway; the answer must have that status, and be as the gateway's document says."""
    document = Document(system.http.get(f"{system.gateway}/openapi.json").json())

    def called(status: int, method: str, path: str, body: object = None, **options: object) -> httpx2.Response:
        sent = options if body is None else {**options, "json": body}
        answer = system.http.request(method, f"{system.gateway}/api/v1{path}", **sent)
        assert answer.status_code == status, answer.text
        documented = document.path_of(f"/api/v1{path.partition('?')[0]}")
        assert method.lower() in document.content["paths"][documented], path
        document.check(answer)
        return answer

    return called


def new_user() -> dict[str, str]:
    return {"name": "Ada", "email": f"{uuid4().hex}@example.com", "password": uuid4().hex}


def test_users_and_their_devices(call: Call) -> None:
    person = new_user()
    user = call(201, "POST", "/users", person).json()["data"]["id"]
    call(409, "POST", "/users", person)
    call(422, "POST", "/users", {**person, "email": "no address"})
    call(400, "POST", "/users", headers={"Content-Type": "application/json"}, content=b"{")
    call(413, "POST", "/users", {**person, "name": "x" * 2_000_000})
    call(200, "GET", "/users?limit=2")
    call(422, "GET", "/users?limit=0")
    call(200, "GET", f"/users/{user}")
    call(404, "GET", f"/users/{NOBODY}")
    call(401, "GET", f"/users/{user}", headers={"Authorization": "Bearer wrong"})
    call(200, "PATCH", f"/users/{user}", {"name": "Ada L."})
    call(200, "GET", f"/users/{user}/preferences")
    call(200, "PATCH", f"/users/{user}/preferences", {"push": False})
    token = call(201, "POST", f"/users/{user}/push-tokens", {"push_token": uuid4().hex}).json()["data"]
    call(200, "POST", f"/users/{user}/push-tokens", {"push_token": token["token"]})
    call(200, "GET", f"/users/{user}/push-tokens")
    call(200, "DELETE", f"/users/{user}/push-tokens/{token['id']}")
    call(404, "DELETE", f"/users/{user}/push-tokens/{token['id']}")
    call(200, "GET", f"/users/{user}/removed-push-tokens")
    call(200, "DELETE", f"/users/{user}")


def test_logging_in_and_keys(call: Call) -> None:
    login = call(200, "POST", "/auth/login", ADMIN).json()["data"]
    call(401, "POST", "/auth/login", {"email": new_user()["email"], "password": "wrong"})
    call(200, "GET", "/auth/me")
    call(401, "POST", "/auth/refresh", {"refresh_token": "wrong"})
    tokens = call(200, "POST", "/auth/refresh", {"refresh_token": login["refresh_token"]}).json()["data"]
    call(401, "GET", "/auth/me", headers={"Authorization": f"Bearer nk_{'x' * 30}"})
    made = call(201, "POST", "/api-keys", {"name": "reader", "scopes": ["users:read"]}).json()["data"]
    call(200, "GET", "/api-keys")
    again = call(201, "POST", f"/api-keys/{made['id']}/rotate").json()["data"]
    for name in (made["id"], again["id"]):
        call(200, "DELETE", f"/api-keys/{name}")
    call(404, "DELETE", f"/api-keys/{made['id']}")
    call(200, "POST", "/auth/logout", headers={"Authorization": f"Bearer {tokens['access_token']}"})


def test_applications_and_their_contacts(call: Call) -> None:
    sender = {"from_name": "Orders", "from_email": "mail@orders.example", "reply_to": "help@example.com"}
    made = call(201, "POST", "/applications", {"name": "orders", "channels": ["email"], "sender": sender}).json()[
        "data"
    ]
    path = f"/applications/{made['id']}"
    call(200, "GET", "/applications")
    call(200, "GET", path)
    call(422, "PATCH", path, {"channels": []})
    call(422, "PATCH", path, {"sender": {"from_email": "mail@other.example"}})
    call(200, "PATCH", path, {"rate_limit_per_minute": 600})
    scopes = ["users:read", "users:write"]
    key = call(201, "POST", "/api-keys", {"name": "k", "scopes": scopes, "application_id": made["id"]}).json()["data"]
    headers = {"Authorization": f"Bearer {key['key']}"}
    person = {"name": "Ada", "email": "ada@example.com"}
    call(201, "PUT", "/users/external/c-1", person, headers=headers)
    call(200, "PUT", "/users/external/c-1", person, headers=headers)
    call(200, "GET", "/users/external/c-1", headers=headers)
    call(404, "GET", "/users/external/c-2", headers=headers)
    call(409, "POST", "/users", {**person, "external_id": "c-1"}, headers=headers)
    many = [{**person, "external_id": f"c-{number}"} for number in range(1_000)]
    call(200, "POST", "/users/bulk", {"contacts": many}, headers=headers)
    call(200, "POST", "/users/find", {"external_ids": [one["external_id"] for one in many]}, headers=headers)
    call(422, "POST", "/users/find", {"external_ids": ["no blanks"]}, headers=headers)
    call(200, "DELETE", path)
    call(404, "GET", path)
    call(401, "GET", "/users/external/c-1", headers=headers)


def test_templates(call: Call) -> None:
    code = f"t_{uuid4().hex}"
    template = {"code": code, "name": "T", "content": "<p>{{ name }}</p>"}
    call(201, "POST", "/templates", template)
    call(409, "POST", "/templates", template)
    call(422, "POST", "/templates", {**template, "code": "other", "content": "{{ name"})
    call(200, "GET", "/templates?limit=1")
    call(200, "GET", f"/templates/{code}")
    call(404, "GET", f"/templates/{code}_not")
    call(200, "PATCH", f"/templates/{code}", {"content": "<b>{{ name }}</b>"})
    call(200, "GET", f"/templates/{code}/versions")
    call(200, "POST", f"/templates/{code}/versions/1/activate")
    call(404, "POST", f"/templates/{code}/versions/9/activate")
    call(200, "POST", f"/templates/{code}/render", {"variables": {"name": "Ada"}})
    call(422, "POST", f"/templates/{code}/render", {"variables": {}})
    call(200, "DELETE", f"/templates/{code}")


def test_notifications(call: Call, user: str) -> None:
    variables = {"name": "Ada", "link": "https://example.com"}
    body = {"notification_type": "email", "user_id": user, "template_code": "welcome", "variables": variables}
    once = {**body, "request_id": str(uuid4())}
    accepted = call(202, "POST", "/notifications", once).json()["data"]["notification_id"]
    call(202, "POST", "/notifications", once)
    call(422, "POST", "/notifications", {**once, "priority": 1})
    call(422, "POST", "/notifications", {**body, "variables": {}})
    call(422, "POST", "/notifications", {**body, "priority": 11})
    call(404, "POST", "/notifications", {**body, "user_id": str(NOBODY)})
    call(404, "POST", "/notifications", {**body, "template_code": "none"})
    call(401, "POST", "/notifications", body, headers={"Authorization": "Bearer wrong"})
    call(202, "POST", "/notifications/batch", {"notifications": [body, {}, {**body, "user_id": str(NOBODY)}]})
    call(422, "POST", "/notifications/batch", {"notifications": [{}]})
    call(422, "POST", "/notifications/batch", {"notifications": []})
    call(200, "GET", "/notifications?limit=3")
    call(200, "GET", f"/notifications/{accepted}/status")
    call(404, "GET", f"/notifications/{NOBODY}")
    call(409, "POST", f"/notifications/{accepted}/retry")
    call(200, "POST", "/email/status", {"notification_id": accepted, "status": "delivered"})
    call(404, "POST", "/push/status", {"notification_id": str(NOBODY), "status": "delivered"})
    call(409, "DELETE", f"/notifications/{accepted}")
    call(200, "GET", "/failed")
    call(202, "POST", "/failed/replay", {"notification_ids": [str(NOBODY)]})
    call(200, "GET", "/reconcile")
    call(200, "GET", "/statistics?period=week&notification_type=email")
    call(200, "GET", "/health")


def test_a_key_without_the_scope(call: Call, user: str) -> None:
    made = call(201, "POST", "/api-keys", {"name": "reader", "scopes": ["notifications:read"]}).json()["data"]
    plain = {"Authorization": f"Bearer {made['key']}"}
    call(403, "POST", "/templates", {"code": "x", "name": "X", "content": "x"}, headers=plain)
    call(403, "GET", f"/users/{user}", headers=plain)
    call(403, "POST", "/notifications/batch", {"notifications": [{}]}, headers=plain)
    call(403, "GET", "/auth/me", headers=plain)


@pytest.mark.parametrize("service", MODULES)
def test_the_health_of_every_service(system: System, service: str) -> None:
    url = f"http://127.0.0.1:{system.ports[service]}"
    document = Document(system.http.get(f"{url}/openapi.json").json())
    for path in ("/health", "/api/v1/health", "/health/live", "/health/readiness"):
        assert path in document.content["paths"]
        document.check(system.http.get(url + path))
