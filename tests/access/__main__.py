"""`python -m tests.access`: names every route without a row in `rows`, and every row without a route."""

import sys
from collections.abc import Iterator

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from chassis.server.commands import plain_end
from devstack.openapi import apps
from tests.access.rows import FORWARDED, ROWS


def routes_of(app: FastAPI) -> Iterator[str]:
    """`GET /path` of each; HEAD goes with GET, and static files have no methods. Forwarded ones are their owners'."""
    for route in iter_route_contexts(app.router.routes):
        if "TRACE" not in (route.methods or ()):
            yield from (f"{method} {route.path}" for method in set(route.methods or ()) - {"HEAD"})


def gaps() -> list[str]:
    found, services = [], apps()
    for service, app in services.items():
        rows, routes = {row.route for row in ROWS[service]}, set(routes_of(app))
        found += [f"{service} {route}: add its row to tests/access/rows.py" for route in sorted(routes - rows)]
        found += [f"{service} {route}: has a row, and is no route" for route in sorted(rows - routes)]
    gateway = services["api-gateway"].openapi()["paths"]
    api = [row for row in FORWARDED if not row.page]
    forwarded = [row for row in api if row.method.lower() not in gateway.get(row.path, {})]
    return found + [f"api-gateway {row.route}: has a row, and is not forwarded" for row in forwarded]


if __name__ == "__main__":
    with plain_end():
        missing = gaps()
    sys.stderr.write("".join(f"{gap}\n" for gap in missing))
    sys.exit(1 if missing else 0)
