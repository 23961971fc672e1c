"""The list of pages that the browser's tests and the bench open has every page."""

from dataclasses import fields
from uuid import UUID

from fastapi.routing import iter_route_contexts
from starlette.routing import compile_path

from console.main import create_app
from testkit.console_pages import Things, pages, parts
from tests.visiting import settings

BEFORE_THE_LOGIN, FILES = {"/login", "/login/code"}, {"/suppressions/export"}
FOR_MACHINES = {"/health", "/health/live", "/health/readiness", "/api/v1/health", "/metrics"}
ELSEWHERE = BEFORE_THE_LOGIN | FILES | FOR_MACHINES
ID = str(UUID(int=7))


def test_every_page_is_in_the_list_and_the_list_has_no_other() -> None:
    listed = Things(**{one.name: ID for one in fields(Things)})
    app = create_app(settings("http://127.0.0.1:1"))
    routes = [one.path for one in iter_route_contexts(app.router.routes) if "GET" in (one.methods or ())]
    patterns = {path: compile_path(path)[0] for path in routes}

    def route_of(path: str) -> str:
        asked = path.partition("?")[0]
        return next((one for one, pattern in patterns.items() if pattern.match(asked)), f"no route: {path}")

    found = {route_of(path) for path in {**pages(listed), **parts(listed)}.values()}
    assert found == set(routes) - ELSEWHERE
