"""The matrix of `tests.access.rows`, asked of the running services: every route, as every kind of caller."""

from dataclasses import replace

import httpx2
import pytest

from testkit.system import System
from tests.access.rows import FORWARDED, ROWS, Row
from tests.access.world import World


@pytest.fixture(scope="module")
def world(started_lab) -> World:
    return World(started_lab.system)


@pytest.mark.parametrize("service", ROWS)
def test_every_route_answers_every_kind_of_caller_as_its_row_says(system: System, world: World, service: str) -> None:
    assert others_than_told(system, world, service, ROWS[service]) == []


def test_the_gateway_forwards_what_the_owners_say_of_every_kind_of_caller(system: System, world: World) -> None:
    assert others_than_told(system, world, "api-gateway", FORWARDED) == []


def others_than_told(system: System, world: World, service: str, rows: tuple[Row, ...]) -> list[str]:
    """What was answered otherwise, for people to read."""
    url, found = f"http://127.0.0.1:{system.ports[service]}", []
    with httpx2.Client(base_url=url, timeout=20, trust_env=False) as http:
        for row in rows:
            for caller, told in row.statuses.items():
                status = asked(http, world, service, row, caller)
                if status != told:
                    found.append(f"{row.route} as {caller}: {status}, not {told}")
    return found


def asked(http: httpx2.Client, world: World, service: str, row: Row, caller: str) -> int:
    things = world.new_things() if row.used_up and row.statuses[caller] < 300 else world.things
    if row.of_contact:
        things = replace(things, user_id=things.contact_id)
    credential = world.credential(caller, row, service, things)
    headers = {} if credential is None else {"Authorization": f"Bearer {credential}"}
    body = {} if row.body is None else {"json": things.body(row)}
    return http.request(row.method, things.filled(f"{row.path}?{row.query}"), headers=headers, **body).status_code
