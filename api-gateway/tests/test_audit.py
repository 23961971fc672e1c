"""Who cancelled, retried and replayed; and the trails of all services as one list, for administrators."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from api_gateway.repositories.audit import TRAIL
from api_gateway.settings import ALEMBIC
from chassis.audit import Actor, audit_routes
from chassis.errors import Unavailable
from chassis.http.envelope import refusal
from chassis.http.error_handlers import install_error_handlers
from chassis.postgres.database import Database
from chassis.security import ServiceCallers, hash_api_key, new_api_key
from chassis.security.service_keys import development_key
from contracts.callers import ApiKeyInfo
from testkit.eventually import eventually

PERSON = UUID(int=7)
LATER = (datetime.now(UTC) + timedelta(hours=1)).isoformat()


async def _sent(gateway, **changes: object) -> str:
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    return (await gateway.send(user_id=str(user.id), **changes)).json()["data"]["notification_id"]


async def _failed(gateway) -> str:
    name = await _sent(gateway)
    await gateway.published()
    await gateway.report(name, "failed", code="render_failed", attempts=1)
    await gateway.until(name, "failed")
    return name


async def _cancel(gateway, headers: dict[str, str]):
    name = await _sent(gateway, send_at=LATER)
    return name, lambda: gateway.http.delete(f"/api/v1/notifications/{name}", headers=headers)


async def _retry(gateway, headers: dict[str, str]):
    name = await _failed(gateway)
    body = {"template_version": 3}
    return name, lambda: gateway.http.post(f"/api/v1/notifications/{name}/retry", json=body, headers=headers)


async def _replay(gateway, headers: dict[str, str]):
    name = await _failed(gateway)
    body = {"error": "render_failed"}
    return name, lambda: gateway.http.post("/api/v1/failed/replay", json=body, headers=headers)


EACH = pytest.mark.parametrize(
    ("action", "prepare", "target", "after"),
    [
        ("notification.cancelled", _cancel, "notification:{}", {}),
        ("notification.retried", _retry, "notification:{}", {"template_version": 3}),
        ("notifications.replayed", _replay, "notifications", {"error": "render_failed", "replayed": 1}),
    ],
)


async def _listed(gateway, **query: object) -> dict:
    answer = await gateway.http.get("/api/v1/audit", params=query, headers=gateway.token(PERSON))
    assert answer.status_code == 200, answer.text
    return answer.json()


@EACH
async def test_what_is_done_to_notifications_is_recorded(gateway, action: str, prepare, target: str, after) -> None:
    name, act = await prepare(gateway, gateway.token(PERSON))
    assert (await act()).is_success
    [event] = (await _listed(gateway, service="api-gateway"))["data"]
    assert (event["actor"], event["action"], event["target"]) == (f"user:{PERSON}", action, target.format(name))
    assert (event["before"], event["after"], event["service"]) == ({}, after, "api-gateway")
    assert event["address"] == "127.0.0.1"
    again = await act()
    assert again.is_success is (action != "notification.retried")
    assert (await _listed(gateway, service="api-gateway"))["meta"]["total"] == 1


@EACH
async def test_without_its_event_nothing_is_done(gateway, action: str, prepare, target: str, after) -> None:
    name, act = await prepare(gateway, gateway.token(PERSON))
    before = await gateway.detail(name)
    same = ("status", "replays", "attempts", "error", "ended_at")
    await gateway.change("ALTER TABLE gateway_audit_events RENAME TO taken_away")
    assert (await act()).status_code == 500
    after_it = await gateway.detail(name)
    assert [after_it[field] for field in same] == [before[field] for field in same]


async def test_an_application_is_recorded_with_the_key_that_it_used(gateway) -> None:
    key, info = (
        new_api_key(),
        ApiKeyInfo(id=uuid4(), user_id=uuid4(), scopes=("notifications:write",), application_id=uuid4()),
    )
    gateway.peers.api_keys[hash_api_key(key)] = info
    headers = {"X-API-Key": key}
    name = await _sent(gateway, headers=headers, send_at=LATER)
    assert (await gateway.http.delete(f"/api/v1/notifications/{name}", headers=headers)).status_code == 200
    [event] = (await _listed(gateway, service="api-gateway"))["data"]
    assert (event["actor"], event["api_key_id"]) == (f"key:{info.application_id}", str(info.id))


async def test_only_administrators_see_it_and_who_tries_is_recorded(gateway) -> None:
    assert (await gateway.http.get("/api/v1/audit")).status_code == 401
    for _ in range(3):
        refused = await gateway.http.get("/api/v1/audit", headers=gateway.token(PERSON, role="user"))
        assert refused.status_code == 403
    [event] = (await _listed(gateway, service="api-gateway"))["data"]
    assert (event["actor"], event["action"], event["target"]) == (
        f"user:{PERSON}",
        "access.refused",
        "route:GET /api/v1/audit",
    )


class Owner:
    """Another service with a trail of its own (in a database like the gateway's). `down` makes it answer 503."""

    def __init__(self, url: str, name: str) -> None:
        self.down = False
        self.database = Database(url)
        self.app = FastAPI()
        install_error_handlers(self.app)
        self.app.state.service_callers = ServiceCallers({development_key("api-gateway").public: "api-gateway"}, name)
        self.app.include_router(audit_routes(self.database, TRAIL, asked_by="api-gateway"))

        @self.app.middleware("http")
        async def refuse(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
            return refusal(Unavailable()) if self.down else await call_next(request)

    async def record(self, action: str, number: int) -> None:
        async with self.database.begin() as connection:
            await TRAIL.record(connection, Actor("command"), action, f"thing:{number}")


@pytest.fixture
async def system(start, served, databases) -> AsyncIterator:
    """A gateway between two other services, and ten events, one service after the other."""
    names = ("user-service", "template-service")
    async with contextlib.AsyncExitStack() as stack:
        owners = [Owner(await databases(ALEMBIC), name) for name in names]
        urls = [await stack.enter_async_context(served(owner.app)) for owner in owners]
        gateway = await start(user_service_url=urls[0], template_service_url=urls[1])
        everybody = [*owners, Owner(gateway.settings.database_url, "api-gateway")]
        for number in range(10):
            await everybody[number % 3].record("thing.done" if number % 2 else "thing.made", number)
        yield gateway, owners
        for owner in everybody:
            await owner.database.close()


def _numbers(page: dict) -> list[int]:
    return [int(event["target"].removeprefix("thing:")) for event in page["data"]]


async def test_the_trails_of_all_services_are_one_list_newest_first(system) -> None:
    gateway, _ = system
    page = await _listed(gateway)
    assert _numbers(page) == list(range(9, -1, -1))
    services = ("user-service", "template-service", "api-gateway")
    assert [event["service"] for event in page["data"]] == [services[number % 3] for number in range(9, -1, -1)]
    assert (page["meta"]["total"], page["meta"]["has_next"], page["meta"]["unavailable"]) == (10, False, [])


async def test_pages_follow_one_another_by_the_cursor(system) -> None:
    gateway, _ = system
    seen, query = [], {"limit": 4}
    for number in (1, 2, 3):
        page = await _listed(gateway, **query)
        meta = page["meta"]
        assert (meta["page"], meta["total"], meta["total_pages"]) == (number, 10, 3)
        assert (meta["has_previous"], meta["has_next"]) == (number > 1, number < 3)
        seen += _numbers(page)
        query["cursor"] = meta.get("next_cursor")
    assert seen == list(range(9, -1, -1))


async def test_filters_narrow_the_list(system) -> None:
    gateway, _ = system
    events = (await _listed(gateway))["data"]
    for query, numbers in (
        ({"action": "thing.done"}, [9, 7, 5, 3, 1]),
        ({"actor": "command", "service": "template-service"}, [7, 4, 1]),
        ({"actor": "anonymous"}, []),
        ({"target": "thing:5"}, [5]),
        ({"until": "2000-01-01"}, []),
        ({"since": "2000-01-01", "until": "2099-01-01", "limit": 1}, [9]),
        ({"since": events[3]["occurred_at"], "until": events[1]["occurred_at"]}, None),
    ):
        page = await _listed(gateway, **query)
        if numbers is None:
            times = [event["occurred_at"] for event in page["data"]]
            assert times == [
                event["occurred_at"] for event in events if query["since"] <= event["occurred_at"] < query["until"]
            ]
        else:
            assert _numbers(page) == numbers, query


@pytest.mark.parametrize(
    "query", [{"since": "0001-01-01"}, {"until": "9999-12-31"}, {"cursor": "x"}, {"actor": "\0"}, {"service": "x"}]
)
async def test_odd_filters_are_answered(gateway, query: dict[str, str]) -> None:
    answer = await gateway.http.get("/api/v1/audit", params=query, headers=gateway.token())
    assert answer.status_code in {200, 422}


async def test_a_service_that_is_down_is_named_and_the_others_events_are_there(system) -> None:
    gateway, (users, _) = system
    users.down = True
    page = await _listed(gateway)
    assert page["meta"]["unavailable"] == ["user-service"]
    assert _numbers(page) == [8, 7, 5, 4, 2, 1]
    users.down = False


async def test_events_that_are_older_than_the_retention_are_removed(start) -> None:
    gateway = await start(audit_retention_days=3_650)
    await gateway.change(
        "INSERT INTO gateway_audit_events VALUES ('0180e0ac-0000-7000-8000-000000000000', now() - interval '4 years', "
        "'command', NULL, NULL, 'a', 'b', '{}', '{}', '')"
    )
    assert (await _listed(gateway, service="api-gateway"))["meta"]["total"] == 1
    again = await start()
    await eventually(lambda: _listed(again, service="api-gateway"), 10, until=lambda found: not found["meta"]["total"])
