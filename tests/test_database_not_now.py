"""A database that cannot do something now: every route of every service says 503, never 500; nothing is lost or duplicated.

The whole system on real PostgreSQL, whose databases are altered under it as an operator, a fail-over or a full disk would.
"""

import asyncio
import contextlib
import itertools
import json
import random
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx2
import pytest

from chassis.security import ServiceTokens
from chassis.security.service_keys import development_key
from contracts.services import API_GATEWAY, EMAIL_SERVICE, PUSH_SERVICE, USER_SERVICE
from devstack.plan import ADMIN_EMAIL, ADMIN_PASSWORD, SERVICES, Ports
from devstack.postgres import start_postgres
from devstack.stack import running_stack
from devstack.timeline import TEMPLATE
from testkit.eventually import eventually, time_passes

ROOT = Path(__file__).parent.parent
NOBODY = str(uuid4())
WELCOME = {"code": "welcome_email", "language": "en", "version": 1}
# Bodies that reach the database; an operation that is not here is called with an empty one.
BODIES: Mapping[str, object] = {
    "POST /api/v1/notifications": {
        "notification_type": "email",
        "user_id": "{user_id}",
        "template_code": "welcome_email",
        "variables": {"name": "A", "link": "https://example.com"},
    },
    "POST /api/v1/failed/replay": {"notification_type": "email"},
    "POST /api/v1/{channel}/status": {"notification_id": "{notification_id}", "status": "delivered"},
    "POST /api/v1/users": {"name": "B", "email": "{fresh}@example.com", "password": "SecurePass123!"},
    "POST /api/v1/users/find": {"external_ids": ["customer-17"]},
    "PUT /api/v1/users/{user_id}": {"name": "C", "email": "{fresh}@example.com"},
    "PATCH /api/v1/users/{user_id}": {"name": "{fresh}"},
    "PUT /api/v1/users/{user_id}/preferences": {"email": True, "push": False},
    "PATCH /api/v1/users/{user_id}/preferences": {"push": True},
    "PUT /api/v1/users/{user_id}/push-token": {"push_token": "{fresh}"},
    "POST /api/v1/users/{user_id}/push-tokens": {"token": "{fresh}"},
    "POST /api/v1/auth/login": {"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD},
    "POST /api/v1/applications": {"name": "{fresh}"},
    "PATCH /api/v1/applications/{application_id}": {"name": "{fresh}"},
    "POST /api/v1/auth/password-reset": {"email": "{fresh}@example.com"},
    "POST /api/v1/auth/password-reset/confirm": {"token": "{fresh}", "password": "SecurePass123!"},
    "POST /api/v1/api-keys": {"name": "{fresh}", "scopes": ["notifications:write"]},
    "POST /api/v1/templates": {**TEMPLATE, "code": "{fresh}"},
    "PUT /api/v1/templates/{code}": {"name": "D", "subject": "{fresh}", "content": "<p>{fresh}</p>"},
    "PATCH /api/v1/templates/{code}": {"subject": "{fresh}"},
    "POST /api/v1/templates/{code}/trials": {"version": 1},
    "POST /internal/templates/trials": {"before": WELCOME, "after": WELCOME, "payloads": []},
    "POST /internal/templates/push-texts": {"payloads": [{"template": WELCOME, "variables": {}}]},
    "POST /api/v1/snippets": {"name": "{fresh}", "content": "{fresh}"},
    "PUT /api/v1/snippets/{snippet}": {"content": "{fresh}"},
    "POST /internal/users/find": {"ids": [NOBODY]},
    "POST /internal/users/find-by-address": {"email": "ada@example.com"},
    "POST /internal/templates/find": {"active": ["welcome_email"]},
    "POST /internal/api-keys/find": {"hash": "0" * 64},
    "POST /internal/users/{user_id}/push-tokens/remove": {"token": "gone"},
    "POST /internal/exports": {"user_id": NOBODY},
    "POST /internal/ledger/erase": {"ids": [NOBODY]},
    "POST /api/v1/holds": {"template_code": "{fresh}", "reason": "{fresh}"},
    "POST /api/v1/suppressions": {"emails": ["{fresh}@example.com"]},
    "POST /api/v1/suppressions/import": {"email": "{fresh}@example.com"},
    "POST /internal/suppressions": {"emails": ["{fresh}@example.com"]},
}
ASKED_BY = {"remove": PUSH_SERVICE, "exports": USER_SERVICE, "attachments": EMAIL_SERVICE}
# What services ask each other; these are not in the public documents.
LEDGER = f"GET /internal/ledger?first={NOBODY}&last={NOBODY}"
SUPPRESSION = f"/internal/suppressions/{'0' * 64}"
INTERNAL = {
    "user-service": [
        "GET /internal/users/{user_id}",
        "POST /internal/users/find",
        "POST /internal/users/find-by-address",
        "POST /internal/api-keys/find",
        "POST /internal/users/{user_id}/push-tokens/remove",
    ],
    "api-gateway": ["POST /internal/exports", f"GET /internal/attachments/{NOBODY}"],
    "template-service": [
        "GET /internal/templates/{code}",
        "GET /internal/templates/{code}/active",
        "POST /internal/templates/find",
        "POST /internal/templates/trials",
        "POST /internal/templates/push-texts",
    ],
    "email-service": [
        LEDGER,
        "POST /internal/ledger/erase",
        "GET /internal/suppressions?limit=20&offset=0",
        "POST /internal/suppressions",
        "GET /internal/suppression-export?limit=20",
        f"GET {SUPPRESSION}",
        f"DELETE {SUPPRESSION}",
    ],
    "push-service": [LEDGER, "POST /internal/ledger/erase"],
}
# Certainly writes: in a read-only database these are a 503, whatever the caches know.
WRITES = (
    "POST /api/v1/notifications", "POST /api/v1/users", "PUT /api/v1/users/{user_id}", "POST /api/v1/api-keys",
    "POST /api/v1/applications", "POST /api/v1/auth/login", "POST /api/v1/users/{user_id}/push-tokens",
    "POST /api/v1/templates", "PATCH /api/v1/templates/{code}", "POST /api/v1/snippets",
    "POST /api/v1/auth/password-reset",
)  # fmt: skip


@dataclass
class Running:
    """The system, a client that may do everything, and an operator's hand on its databases."""

    ports: Ports
    operator: asyncpg.Connection
    http: httpx2.AsyncClient
    user_id: str = ""
    notification_id: str = ""

    @property
    def gateway(self) -> str:
        return f"http://127.0.0.1:{self.ports.gateway}"

    async def alter(self, service: str, how: str) -> None:
        """Changes the service's database and ends its sessions, so that the change holds for all.

        One that was just beginning may have the settings from before: it is waited for and ended, too.
        """
        await self.operator.execute(f'ALTER DATABASE "{_database(service)}" {how}')
        altered = await self.operator.fetchval("SELECT clock_timestamp()")
        older = """SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND backend_start < $1
            AND (datname = $2 OR datname IS NULL)"""

        async def all_ended() -> bool:
            await self.end_sessions(service)
            return await self.operator.fetchval(older, altered, _database(service)) == 0

        await eventually(all_ended)

    async def end_sessions(self, service: str) -> None:
        await self.operator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", _database(service)
        )

    async def call(self, service: str, operation: str) -> httpx2.Response:
        method, path = operation.split(" ")
        body = json.dumps(BODIES.get(operation, {}))
        known = {
            "user_id": self.user_id,
            "notification_id": self.notification_id,
            "fresh": f"x{uuid4().hex}",
            "code": "welcome_email",
            "snippet": "footer",
            "channel": "email",
            "version": "1",
            "application_id": NOBODY,
            "external_id": "customer-17",
            "fingerprint": "0" * 64,
            "provider": "postmark",
            "key_id": NOBODY,
            "token_id": NOBODY,
            "hold_id": NOBODY,
        }
        for name, value in known.items():
            path, body = path.replace(f"{{{name}}}", value), body.replace(f"{{{name}}}", value)
        headers = {"Content-Type": "application/json"}
        if path.startswith("/internal"):
            caller = next((ASKED_BY[part] for part in path.split("/") if part in ASKED_BY), API_GATEWAY)
            token = ServiceTokens(development_key(caller)).issue(service)
            headers["Authorization"] = f"Bearer {token}"
        content = body if method in {"POST", "PUT", "PATCH"} else None
        return await self.http.request(method, f"{self._url(service)}{path}", content=content, headers=headers)

    def _url(self, service: str) -> str:
        order = dict(zip(SERVICES, ("gateway", "users", "templates", "email", "push"), strict=True))
        return f"http://127.0.0.1:{getattr(self.ports, order[service])}"

    async def send(self, channel: str, **changes: object) -> str:
        body = {"notification_type": channel, "user_id": self.user_id, "template_code": "welcome_email",
                "variables": {"name": "Ada", "link": "https://example.com"}, **changes}  # fmt: skip
        answer = await self.http.post(f"{self.gateway}/api/v1/notifications/", json=body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["data"]["notification_id"])

    async def status(self, notification_id: str) -> str:
        answer = await self.http.get(f"{self.gateway}/api/v1/notifications/{notification_id}")
        if answer.status_code == 503:
            return "not known now"
        assert answer.status_code == 200, answer.text
        return str(answer.json()["data"]["status"])

    async def copies(self, notification_id: str) -> int:
        """How often the providers took it."""
        arrived = 0
        for kind in ("email", "push"):
            url = f"http://127.0.0.1:{self.ports.inbox}/api/arrivals"
            rows = (await self.http.get(url, params={"kind": kind})).json()["arrivals"]
            arrived += sum(notification_id in row["key"] for row in rows)
        return arrived


def _database(service: str) -> str:
    return service.replace("-", "_")


def operations(service: str) -> list[str]:
    """Every operation of the committed document that is the service's own, and the internal ones.

    What ends a user or a session comes last.
    """
    document = json.loads((ROOT / service / "openapi.json").read_text())
    parts = json.loads((ROOT / "api-gateway/api_gateway/forwarded.json").read_text())
    forwarded = {path for owner in parts.values() for path in owner["paths"]}
    own = {path: item for path, item in document["paths"].items() if service != "api-gateway" or path not in forwarded}
    public = [f"{method.upper()} {path}" for path, item in own.items() for method in item]
    return sorted([*public, *INTERNAL.get(service, [])], key=lambda one: (one.startswith("DELETE"), "logout" in one))


def _free_ports() -> Ports:
    while True:
        ports = Ports.with_offset(random.randrange(1_000, 23_000))
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for port in ports.named().values():
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
            return ports


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    data, ports = tmp_path / "data", _free_ports()
    async with running_stack(data, ports), httpx2.AsyncClient(timeout=40, trust_env=False) as http:
        postgres = await start_postgres(data / "postgres")  # joins the stack's own
        operator = await asyncpg.connect(host=postgres.socket, user="postgres", database="postgres")
        system = Running(ports, operator, http)
        await _prepare(system)
        yield system
        await operator.close()


async def _prepare(system: Running) -> None:
    base = f"{system.gateway}/api/v1"
    logged_in = await system.http.post(f"{base}/auth/login", json={"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD})
    system.http.headers["Authorization"] = f"Bearer {logged_in.json()['data']['access_token']}"
    person = {"name": "Ada", "email": "ada@example.com", "password": "SecurePass123!", "push_token": "device-of-ada"}
    system.user_id = (await system.http.post(f"{base}/users", json=person)).json()["data"]["id"]
    assert (await system.http.post(f"{base}/templates", json=TEMPLATE)).status_code == 201
    system.notification_id = await system.send("email")
    await eventually(lambda: _is_sent(system, system.notification_id))


async def _is_sent(system: Running, notification_id: str) -> bool:
    return await system.status(notification_id) == "sent"


def complaint(operation: str, answer: httpx2.Response) -> str | None:
    """None when the answer is the service's usual one, or an honest "not now"."""
    if answer.status_code < 500:
        return None
    if answer.status_code == 503 and ("/health" in operation or int(answer.headers.get("Retry-After", 0)) > 0):
        return None
    return f"{operation}: {answer.status_code} {answer.text[:200]}"


# How a database is altered, and altered back.
STATES = {
    "SET default_transaction_read_only = on": "RESET default_transaction_read_only",
    "SET statement_timeout = '1ms'": "RESET statement_timeout",
    "ALLOW_CONNECTIONS false": "ALLOW_CONNECTIONS true",
}


@pytest.mark.parametrize("state", STATES)
async def test_no_route_of_any_service_is_a_500_and_each_works_again_afterwards(running: Running, state: str) -> None:
    complaints: list[str | None] = []
    for service in reversed(SERVICES):  # the gateway last: what it forwards would find its breakers open
        await running.alter(service, state)
        answers = {one: await running.call(service, one) for one in operations(service)}
        complaints += [complaint(f"{service}: {one}", answer) for one, answer in answers.items()]
        if "read_only" in state:
            written = [one for one in WRITES if one in answers and answers[one].status_code != 503]
            assert written == [], f"{service} says that it wrote into a read-only database"
        await running.alter(service, STATES[state])
    assert [one for one in complaints if one] == []
    sent = await running.send("email")
    await eventually(lambda: _is_sent(running, sent))


async def test_sessions_ended_at_random_are_never_a_500(running: Running) -> None:
    ending = asyncio.create_task(_end_sessions(running))
    complaints = [
        complaint(f"{service}: {one}", await running.call(service, one))
        for service, _ in itertools.product(reversed(SERVICES), range(3))
        for one in operations(service)
        if not one.startswith("DELETE") and "logout" not in one
    ]
    ending.cancel()
    assert [one for one in complaints if one] == []


async def _end_sessions(system: Running) -> None:
    while True:
        for service in SERVICES:
            await system.end_sessions(service)
        await time_passes(0.02)


@pytest.mark.parametrize(("channel", "service"), [("email", "email-service"), ("push", "push-service")])
@pytest.mark.parametrize("state", list(STATES)[:2])
async def test_a_worker_waits_for_its_database_and_then_sends_once(
    running: Running, channel: str, service: str, state: str
) -> None:
    await running.alter(service, state)
    before = await _rollbacks(running, service)
    sent = [await running.send(channel) for _ in range(5)]
    await eventually(lambda: _refused(running, service, before + 5))
    assert [await running.copies(one) for one in sent] == [0] * 5, "nothing is sent without a claim"
    await running.alter(service, STATES[state])
    for one in sent:
        await eventually(lambda one=one: _is_sent(running, one))
    assert [await running.copies(one) for one in sent] == [1] * 5


async def _rollbacks(system: Running, service: str) -> int:
    await system.operator.execute("SELECT pg_stat_clear_snapshot()")
    query = "SELECT xact_rollback FROM pg_stat_database WHERE datname = $1"
    return int(await system.operator.fetchval(query, _database(service)))


async def _refused(system: Running, service: str, many: int) -> bool:
    return await _rollbacks(system, service) >= many
