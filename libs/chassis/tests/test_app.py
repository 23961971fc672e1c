"""The HTTP behaviour that all services share."""

import contextlib
from collections.abc import AsyncIterator
from secrets import token_hex

import httpx2
import pytest
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, SecretStr, ValidationError
from starlette.requests import ClientDisconnect
from starlette.types import Message
from structlog.testing import capture_logs

from chassis.errors import Conflict, Forbidden, NotFound
from chassis.http.app import ServiceApp, ServiceDescription, create_service_app
from chassis.http.envelope import Meta, answer
from chassis.http.fast_routes import FastRouter, body_of
from chassis.http.health import Dependency
from chassis.http.middleware import put_headers
from chassis.observability.metrics import new_registry
from chassis.settings import DatabaseSettings, ServiceSettings
from testkit.eventually import stays, time_passes

TOKEN = "a-token-for-metrics"


class Thing(BaseModel):
    name: str
    size: int


class Switch:
    """A dependency that a test can turn off."""

    def __init__(self) -> None:
        self.up = True

    async def check(self) -> None:
        if not self.up:
            raise ConnectionError("secret details")


@pytest.fixture
def essential() -> Switch:
    return Switch()


@pytest.fixture
def optional() -> Switch:
    return Switch()


def add_fast_route(app: ServiceApp) -> None:
    router = FastRouter(prefix="/api/fast")

    @router.post("")
    async def fast_route(request: Request) -> Response:
        body = await body_of(request)
        if body == b"refused":
            raise Conflict
        if body == b"broken":
            raise RuntimeError("secret details")
        put_headers(request.scope, {"X-Left": str(len(body))})
        if body == b"left":
            raise Conflict
        return answer({"bytes": len(body)}, status=202, headers={"X-Request-ID": "of-another"})

    app.include_router(router)


@contextlib.asynccontextmanager
async def unchanged(_app: FastAPI) -> AsyncIterator[None]:
    """An empty lifespan."""
    yield


def client_of(settings: ServiceSettings, base_url: str = "http://things") -> httpx2.AsyncClient:
    """A client of an app without routes of its own."""
    about = ServiceDescription("things", "Things", "About things")
    app = create_service_app(about, settings, registry=new_registry(), dependencies=[], lifespan=unchanged)
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=base_url)


@pytest.fixture
async def http(essential: Switch, optional: Switch) -> AsyncIterator[httpx2.AsyncClient]:
    app = create_service_app(
        ServiceDescription("things", "Things", "About things"),
        ServiceSettings(_env_file=None, max_body_bytes=50_000),
        registry=new_registry(),
        dependencies=[
            Dependency("database", essential.check, essential=True),
            Dependency("redis", optional.check),
        ],
        lifespan=unchanged,
    )

    add_fast_route(app)

    @app.get("/api/v1/things/{name}")
    async def thing(name: str):
        if name == "missing":
            raise NotFound
        if name == "broken":
            raise RuntimeError("secret details")
        if "@" in name:
            raise Forbidden
        return answer({"name": name}, headers={"Cache-Control": "max-age=5"} if name == "kept" else None)

    @app.post("/api/v1/things")
    async def make(thing: Thing):
        return answer(thing, "made", status=201)

    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://things") as client:
        yield client


@pytest.mark.parametrize("path", ["/api/v1/things/a", "/api/v1/things/a/"])
async def test_paths_work_with_and_without_their_trailing_slash(http, path: str) -> None:
    answered = await http.get(path)
    assert answered.json() == {"success": True, "message": "", "data": {"name": "a"}, "error": None, "meta": None}


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/api/v1/things/missing", 404, "not_found"),
        ("DELETE", "/api/v1/things/a", 405, "method_not_allowed"),
        ("GET", "/api/v1/things/broken", 500, "internal_error"),
    ],
)
async def test_every_error_is_in_the_envelope_and_tells_nothing_internal(http, method, path, status, error) -> None:
    answered = await http.request(method, path)
    assert (answered.status_code, answered.json()["error"]) == (status, error)
    assert answered.json()["success"] is False
    assert "secret" not in answered.text


async def test_a_validation_error_speaks_of_the_request_not_of_models(http) -> None:
    answered = await http.post("/api/v1/things/", json=[])
    assert answered.json()["data"]["errors"] == [{"field": "body", "message": "Input should be an object"}]


async def test_a_validation_error_lists_every_field_and_no_value(http) -> None:
    answered = await http.post("/api/v1/things/", json={"size": "hunter2"})
    assert answered.status_code == 422
    assert {problem["field"] for problem in answered.json()["data"]["errors"]} == {"name", "size"}
    assert "hunter2" not in answered.text


@pytest.mark.parametrize(
    ("body", "status"), [(b"{", 400), (b"[" * 10_000 + b"]" * 10_000, 422), (b"x" * 60_000, 413), (b"", 422)]
)
async def test_a_bad_body_is_a_4xx(http, body: bytes, status: int) -> None:
    answered = await http.post("/api/v1/things", content=body, headers={"Content-Type": "application/json"})
    assert answered.status_code == status
    assert answered.json()["success"] is False


async def test_a_body_without_a_length_is_cut_off_at_the_limit(http) -> None:
    async def chunks():
        for _ in range(100):
            yield b" " * 1_000

    for path in ("/api/v1/things", "/api/fast"):
        answered = await http.post(path, content=chunks(), headers={"Content-Type": "application/json"})
        assert (answered.status_code, answered.json()["error"]) == (413, "payload_too_large")


async def test_a_defect_is_answered_with_its_ids_and_counted(http) -> None:
    for path, method in (("/api/v1/things/broken", "GET"), ("/api/fast", "POST")):
        answered = await http.request(method, path, content=b"broken", headers={"X-Correlation-ID": "correlation-1"})
        assert (answered.status_code, answered.headers["X-Correlation-ID"]) == (500, "correlation-1")
    text = (await http.get("/metrics")).text
    assert 'method="GET",route="/api/v1/things/{name}",status="5xx"} 1.0' in text
    assert 'method="POST",route="/api/fast",status="5xx"} 1.0' in text


@pytest.mark.parametrize(("name", "event"), [("ada@example.com", "http.refused"), ("broken", "http.unforeseen_error")])
async def test_a_log_line_names_the_route_and_not_the_path(http, name: str, event: str) -> None:
    with capture_logs() as lines:
        await http.get(f"/api/v1/things/{name}")
    [line] = [one for one in lines if one["event"] == event]
    assert (line["method"], line["route"]) == ("GET", "/api/v1/things/{name}")
    assert name not in str({**line, "exc_info": ""})


@pytest.mark.parametrize("given", [None, "", "Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer \xe9"])
async def test_metrics_are_for_who_has_the_token_where_there_is_one(given: str | None) -> None:
    settings = ServiceSettings(_env_file=None, metrics_token=SecretStr(TOKEN))
    async with client_of(settings) as http:
        refused = await http.get(
            "/metrics", headers={} if given is None else {"Authorization": given.encode("latin-1")}
        )
        assert (refused.status_code, refused.json()["error"]) == (401, "unauthorized")
        assert refused.headers["WWW-Authenticate"] == "Bearer"
        answered = await http.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        assert "python_info" in answered.text
        assert (await http.get("/health/live")).status_code == 200


DOCUMENTATION = ("/", "/docs", "/api/docs", "/openapi.json", "/docs/assets/swagger-ui.css")


@pytest.mark.parametrize("path", DOCUMENTATION)
async def test_the_documentation_can_be_turned_off(path: str) -> None:
    for enabled, statuses in ((True, {200, 307}), (False, {404})):
        async with client_of(ServiceSettings(_env_file=None, docs_enabled=enabled)) as http:
            assert (await http.get(path)).status_code in statuses


async def test_answers_are_not_cacheable_unless_they_say_so(http) -> None:
    for method, path in (
        ("GET", "/api/v1/things/a"), ("POST", "/api/fast"), ("GET", "/api/v1/things/missing"), ("GET", "/nothing"),
        ("GET", "/api/v1/things/broken"), ("POST", "/api/v1/things"), ("GET", "/health"), ("HEAD", "/api/v1/things/a"),
    ):  # fmt: skip
        assert (await http.request(method, path)).headers.get_list("Cache-Control") == ["no-store"], path
    large = await http.post("/api/fast", content=b"x" * 60_000)
    assert (large.status_code, large.headers["Cache-Control"]) == (413, "no-store")
    assert (await http.get("/api/v1/things/kept")).headers.get_list("Cache-Control") == ["max-age=5"]
    assets = await http.get("/docs/assets/swagger-ui.css")
    assert assets.headers.get_list("Cache-Control") == ["no-cache"]
    again = await http.get("/docs/assets/swagger-ui.css", headers={"If-None-Match": assets.headers["ETag"]})
    assert again.status_code == 304


async def test_only_requests_over_tls_get_strict_transport_security() -> None:
    for base_url, header in (("https://things", ["max-age=31536000"]), ("http://things", [])):
        async with client_of(ServiceSettings(_env_file=None), base_url) as http:
            for path in ("/health/live", "/nothing"):
                assert (await http.get(path)).headers.get_list("Strict-Transport-Security") == header


async def test_a_body_that_says_its_length_and_comes_in_chunks_is_cut_off_all_the_same(http) -> None:
    async def chunks():
        for _ in range(100):
            yield b" " * 1_000

    headers = {"Transfer-Encoding": "chunked", "Content-Length": "1"}
    assert (await http.post("/api/fast", content=chunks(), headers=headers)).status_code == 413


async def test_the_body_of_a_client_that_hung_up_is_not_used(http) -> None:
    sent: list[str] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message["type"])

    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    with pytest.raises(ClientDisconnect):
        await body_of(Request(scope, receive, send))
    assert sent == []


async def test_ids_are_taken_or_made_and_returned_and_unclean_ones_are_replaced(http) -> None:
    given = await http.get("/api/v1/things/a", headers={"X-Correlation-ID": "correlation-1", "X-Request-ID": "r-1"})
    assert (given.headers["X-Correlation-ID"], given.headers["X-Request-ID"]) == ("correlation-1", "r-1")
    made = await http.get("/api/v1/things/a", headers={"X-Correlation-ID": 'a"} b', "X-Request-ID": "x" * 200})
    assert made.headers["X-Correlation-ID"] == made.headers["X-Request-ID"]
    assert len(made.headers["X-Request-ID"]) == 36


async def test_health_is_healthy_degraded_or_unhealthy(http, essential: Switch, optional: Switch, monkeypatch) -> None:
    monkeypatch.setattr("chassis.http.health.FRESH_SECONDS", -1)
    monkeypatch.setattr("chassis.http.health.FRESH_SECONDS_DOWN", -1)
    assert (await http.get("/health/")).json()["status"] == "healthy"
    optional.up = False
    degraded = await http.get("/health")
    assert (degraded.status_code, degraded.json()["status"]) == (200, "degraded")
    assert degraded.json()["data"]["dependencies"]["redis"]["status"] == "down"
    assert (await http.get("/health/readiness")).status_code == 200
    essential.up = False
    unhealthy = await http.get("/health")
    assert (unhealthy.status_code, unhealthy.json()["status"]) == (503, "unhealthy")
    assert "secret" not in unhealthy.text
    also = await http.get("/api/v1/health")
    assert (also.status_code, also.json()["data"]["dependencies"].keys()) == (503, {"database", "redis"})
    assert (await http.get("/health/readiness")).status_code == 503
    assert (await http.get("/health/live")).status_code == 200


async def test_a_good_result_is_reused_for_a_second_and_a_bad_one_for_less(http, essential: Switch) -> None:
    assert (await http.get("/health/readiness")).status_code == 200
    essential.up = False
    await stays(lambda: http.get("/health/readiness"), 0.2, holds=lambda answer: answer.status_code == 200)
    await time_passes(1)
    assert (await http.get("/health/readiness")).status_code == 503
    essential.up = True
    await time_passes(0.2)
    assert (await http.get("/health/readiness")).status_code == 200


async def test_metrics_name_routes_by_their_template_and_never_by_what_a_caller_sent(http) -> None:
    await http.get("/api/v1/things/evil-label")
    await http.get("/evil-path")
    text = (await http.get("/metrics")).text
    assert 'route="/api/v1/things/{name}"' in text
    assert 'route="unmatched"' in text
    assert "evil" not in text


async def test_the_documentation_needs_nothing_from_elsewhere(http) -> None:
    for page in ("/docs", "/api/docs"):
        html = (await http.get(page)).text
        assert "https://" not in html
        assert "/docs/assets/swagger-ui-bundle.js" in html
    assert (await http.get("/docs/assets/swagger-ui-bundle.js")).status_code == 200
    assert (await http.get("/openapi.json")).json()["info"]["title"] == "Things"


@pytest.mark.parametrize(
    ("total", "page", "pages", "more", "less"),
    [(0, 1, 1, False, False), (20, 1, 2, True, False), (11, 2, 2, False, True)],
)
def test_meta_counts_pages(total: int, page: int, pages: int, more: bool, less: bool) -> None:
    meta = Meta.for_page(total, limit=10, page=page)
    assert (meta.total_pages, meta.has_next, meta.has_previous) == (pages, more, less)


class _Settings(DatabaseSettings):
    secret_key: SecretStr = SecretStr("development-only-secret-key-of-more-than-32-bytes")
    smtp_password: SecretStr = SecretStr("short")


@pytest.mark.parametrize("secret", ["development-only-secret-key-of-more-than-32-bytes", "short-but-mine", ""])
def test_production_refuses_weak_keys_by_name_and_not_by_value(secret: str) -> None:
    assert _Settings(_env_file=None, secret_key=secret).environment == "development"
    with pytest.raises(ValidationError, match="SECRET_KEY") as raised:
        _Settings(_env_file=None, environment="production", secret_key=secret)
    assert not secret or secret not in str(raised.value)
    assert "SMTP_PASSWORD" not in str(raised.value)
    own = {
        "secret_key": token_hex(20),
        "metrics_token": token_hex(20),
        "database_url": "postgresql://service:of-the-database@db.example/service",
    }
    assert _Settings(_env_file=None, environment="production", **own).production


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_a_database_address_means_the_driver_we_have(scheme: str) -> None:
    settings = DatabaseSettings(_env_file=None, database_url=f"{scheme}://u:p@h/d")
    assert settings.database_url == "postgresql+asyncpg://u:p@h/d"


@pytest.mark.parametrize("path", ["/api/fast", "/api/fast/"])
async def test_a_fast_route_answers_like_any_other_route(http: httpx2.AsyncClient, path: str) -> None:
    taken = await http.post(path, content=b"12345", headers={"X-Correlation-ID": "correlation"})
    assert (taken.status_code, taken.json()["data"], taken.headers["X-Correlation-ID"]) == (
        202,
        {"bytes": 5},
        "correlation",
    )
    assert "of-another" not in taken.headers.get_list("X-Request-ID"), "an answer has one id, and it is this request's"
    assert (await http.post(path, content=b"refused")).json()["error"] == "conflict"
    assert (await http.post(path, content=b"x" * 60_000)).status_code == 413
    assert (await http.post(path, content=b"broken")).json()["error"] == "internal_error"
    assert (await http.get(path)).status_code == 405
    left = await http.post(path, content=b"left")
    assert (left.status_code, left.headers["X-Left"], taken.headers["X-Left"]) == (409, "4", "5")
    text = (await http.get("/metrics")).text
    assert 'http_request_duration_seconds_count{method="POST",route="/api/fast",status="2xx"} 1.0' in text
    assert "/api/fast" in (await http.get("/openapi.json")).json()["paths"]
