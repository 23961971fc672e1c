"""OPTIONS, `Allow` and HEAD are correct for every path."""

import contextlib
from collections.abc import AsyncIterator
from uuid import UUID

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Request, Response

from chassis.http.app import ServiceDescription, create_service_app
from chassis.http.envelope import answer
from chassis.http.fast_routes import FastRouter, body_of
from chassis.observability.metrics import new_registry
from chassis.settings import ServiceSettings


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield

    app = create_service_app(
        ServiceDescription("things", "Things", "About things"),
        ServiceSettings(_env_file=None),
        registry=new_registry(),
        dependencies=[],
        lifespan=lifespan,
    )
    fast, things = FastRouter(prefix="/things"), APIRouter(prefix="/things")

    @fast.post("")
    async def create_thing(request: Request) -> Response:
        return answer({"bytes": len(await body_of(request))}, status=201)

    @fast.post("/batch")
    async def create_things(request: Request) -> Response:
        return answer({"bytes": len(await body_of(request))}, status=201)

    @things.get("")
    async def list_things() -> Response:
        return answer(["a", "b"])

    @things.get("/{thing_id}")
    async def get_thing(thing_id: UUID) -> Response:
        return answer({"id": thing_id})

    @things.delete("/{thing_id}")
    async def delete_thing(thing_id: UUID) -> Response:
        return answer({"id": thing_id})

    app.include_router(fast)
    app.include_router(things)
    app.include_router(_forwarding())
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://things") as client:
        yield client


def _forwarding() -> APIRouter:
    """Paths of another service, except one."""
    router = APIRouter(prefix="/forwarded")

    @router.post("/{thing_id}/trials")
    async def try_thing(thing_id: UUID) -> Response:
        return answer({"id": thing_id})

    @router.api_route("/{rest:path}", methods=["GET", "POST", "DELETE", "OPTIONS"])
    async def forward_thing(rest: str) -> Response:
        return answer({"forwarded": rest})

    return router


ID = UUID(int=7)
ALLOWED = {
    "/things": "GET, HEAD, OPTIONS, POST",
    "/things/": "GET, HEAD, OPTIONS, POST",
    f"/things/{ID}": "DELETE, GET, HEAD, OPTIONS",
    "/things/batch": "OPTIONS, POST",
    "/health": "GET, HEAD, OPTIONS",
    "/metrics": "GET, HEAD, OPTIONS",
    "/docs": "GET, HEAD, OPTIONS",
}


@pytest.mark.parametrize("path", ALLOWED)
async def test_options_names_the_methods_of_all_routes_of_a_path(http, path: str) -> None:
    answered = await http.options(path)
    assert (answered.status_code, answered.headers["Allow"], answered.content) == (204, ALLOWED[path], b"")


@pytest.mark.parametrize("path", ALLOWED)
async def test_every_method_is_allowed_or_answered_with_405_and_the_same_list(http, path: str) -> None:
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE"):
        answered = await http.request(method, path)
        assert (answered.status_code != 405) is (method in ALLOWED[path].split(", ")), method
        if answered.status_code == 405:
            assert answered.headers["Allow"] == ALLOWED[path]
            assert method == "HEAD" or answered.json()["error"] == "method_not_allowed"


async def test_a_path_that_is_not_there_has_no_options(http) -> None:
    assert (await http.options("/nothing")).status_code == 404


async def test_a_literal_path_is_no_id_and_its_405_is_counted_as_its_own(http) -> None:
    assert (await http.get("/things/batch")).status_code == 405
    assert (await http.get("/things/other")).status_code == 422
    assert 'method="GET",route="/things/batch",status="4xx"} 1.0' in (await http.get("/metrics")).text


@pytest.mark.parametrize("path", ["/things", "/health/live", "/metrics", "/docs", "/openapi.json", "/nothing"])
async def test_head_is_get_without_the_body(http, path: str) -> None:
    head, get = await http.head(path), await http.get(path)
    assert (head.status_code, head.headers["Content-Type"]) == (get.status_code, get.headers["Content-Type"])
    assert head.content == b""
    if path in {"/things", "/openapi.json"}:
        assert head.headers["Content-Length"] == get.headers["Content-Length"]


async def test_a_path_with_parameters_has_precedence_over_the_rest_of_a_path(http) -> None:
    path = f"/forwarded/{ID}/trials"
    assert (await http.post(path)).json()["data"] == {"id": str(ID)}
    assert (await http.options(path)).headers["Allow"] == "OPTIONS, POST"
    refused = await http.get(path)
    assert (refused.status_code, refused.headers["Allow"]) == (405, "OPTIONS, POST")
    assert (await http.get(f"{path}/1")).json()["data"] == {"forwarded": f"{ID}/trials/1"}
