"""A gateway on a real database, the in-process broker, and small stand-ins for the two services it looks things up in.

The real services are used where services meet, in the project's `tests/`.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any
from uuid import UUID, uuid4

import httpx2
import pytest
from fastapi import FastAPI, Query
from redis.asyncio import Redis
from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import Response

from api_gateway.main import Gateway, create_app
from api_gateway.routers.proxy import FORWARDED
from api_gateway.services.relay import Relay
from api_gateway.settings import ALEMBIC, GatewaySettings
from chassis.broker import IncomingMessage, MemoryBroker, Publication
from chassis.errors import NotFound, Unavailable
from chassis.http.envelope import JsonResponse, answer, refusal
from chassis.postgres.database import Database
from chassis.process.yielding import AT_A_TIME
from chassis.redis.cache import TOMBSTONE
from chassis.security import SigningKey, sign
from contracts.callers import ACCESS_AUDIENCE, ACCESS_ISSUER, ApiKeyInfo
from contracts.ledger import LedgerErasure, LedgerErasureRequest, LedgerFindings, LedgerQuestion, LedgerTotals
from contracts.messages import StatusEvent, StatusEvents
from contracts.push_texts import PushTextFindings, PushTextPayload, PushTextQuestion, RenderedText
from contracts.recipients import Preferences, PushToken
from contracts.suppressions import (
    BounceResult,
    NewSuppressions,
    SuppressionEntry,
    SuppressionExportPage,
    SuppressionExportQuestion,
    SuppressionFindings,
    SuppressionQuestion,
    SuppressionsAdded,
)
from contracts.templates import TEMPLATE_CACHE, ActiveTemplate, PushTextSize, TemplateInfo, TemplateQuestion
from contracts.topology import STATUS_KEY, TOPOLOGY
from contracts.trials import TrialFindings, TrialPayload, TrialQuestion, TrialRendering, TrialResult
from contracts.users import USER_CACHE, AddressFindings, AddressQuestion, UserContact, UserQuestion
from devstack.serving import serving
from templating import CompiledTemplate, TemplateSource, compile_template, push_size
from testkit.eventually import eventually
from tests.leaks.watch import WATCH
from tests.openapi.conformance import Conformance

SECRET = "a-secret-key-for-the-tests-of-the-gateway"
DATABASE = {"status": "up", "essential": True, "latency_ms": 0.5, "error": None}
HEALTH = {
    "status": "healthy",
    "data": {"version": "1.2.3", "uptime_seconds": 7.5, "dependencies": {"database": DATABASE}},
}


@dataclass
class Peers:
    """The data of the user and template services. `down` makes both answer 503."""

    users: dict[UUID, UserContact] = field(default_factory=dict)
    templates: dict[str, ActiveTemplate] = field(default_factory=dict)
    versions: dict[tuple[str, str, int], TemplateInfo] = field(default_factory=dict)
    api_keys: dict[str, ApiKeyInfo] = field(default_factory=dict)
    suppressed: list[SuppressionEntry] = field(default_factory=list)
    added_suppressions: list[NewSuppressions] = field(default_factory=list)
    exports: int | None = None  # pages, after which there are none
    health: dict[str, Any] = field(default_factory=lambda: HEALTH)
    down: bool = False
    asked: list[str] = field(default_factory=list)
    ledgers: dict[str, LedgerTotals] = field(default_factory=dict)
    ended: list[StatusEvent] = field(default_factory=list)
    open: set[UUID] = field(default_factory=set)
    forgotten: dict[str, set[UUID]] = field(default_factory=dict)
    trials: list[TrialQuestion] = field(default_factory=list)
    tried_at_once: int = 1_000
    pushes: dict[tuple[str, int], CompiledTemplate] = field(default_factory=dict)

    def add_user(self, **changes: object) -> UserContact:
        user = UserContact(
            id=uuid4(), name="Ada", email="ada@example.com", preferences=Preferences(),
            push_tokens=(PushToken(token="device-1"),),
        ).model_copy(update=changes)  # fmt: skip
        self.users[user.id] = user
        WATCH.learn(user.model_dump_json().encode())
        return user

    def add_template(
        self,
        code: str = "welcome",
        required: tuple[str, ...] = ("name",),
        version: int = 3,
        **required_by_channel: tuple[str, ...],
    ) -> None:
        """Active from now on; earlier versions stay. Without `email` and `push`: as the previous release answers."""
        info = TemplateInfo(
            code=code, version=version, language="en", required=required, required_by_channel=required_by_channel,
            serves_email=True, serves_push=True,
        )  # fmt: skip
        self.versions[code, "en", version] = info
        self.templates[code] = ActiveTemplate(code=code, default_language="en", languages={"en": info})

    def add_push(self, code: str = "push", version: int = 3, **parts: str) -> None:
        """A template with texts, active from now on."""
        template = self.pushes[code, version] = compile_template(TemplateSource(**parts))
        size = push_size(template)
        info = TemplateInfo(
            code=code, version=version, language="en", required=template.required(["push"]),
            serves_email=False, serves_push=True,
            push_size=PushTextSize(bounded=False) if size is None else PushTextSize(literal=size.literal, values=size.values),
        )  # fmt: skip
        self.versions[code, "en", version] = info
        self.templates[code] = ActiveTemplate(code=code, default_language="en", languages={"en": info})

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/health/live")
        async def live() -> Response:
            return answer()

        @app.get("/health")
        @app.get("/{channel}/health")
        async def health() -> Response:
            return JsonResponse(self.health, status_code=503 if self.health["status"] == "unhealthy" else 200)

        @app.post("/internal/users/find")
        async def users(question: UserQuestion) -> Response:
            found = {str(one): self.users[one] for one in question.ids if one in self.users}
            return self._found(f"users {len(question.ids)}", {"users": found})

        @app.post("/internal/users/find-by-address")
        async def users_at(question: AddressQuestion) -> Response:
            ids = tuple(one.id for one in self.users.values() if _answers(one, question))
            return self._found(f"address {question.seen_by}", AddressFindings(ids=ids))

        @app.post("/internal/api-keys/find")
        async def api_key(request: Request) -> Response:
            return self._found("api key", self.api_keys.get((await request.json())["hash"]))

        self._add_templates(app)
        self._add_ledgers(app)
        self._add_suppressions(app)

        @app.api_route("/api/v1/{rest:path}", methods=["GET", "POST"])
        async def echo(request: Request) -> Response:
            return answer({"path": request.url.path, "headers": dict(request.headers)})

        return app

    def _add_templates(self, app: FastAPI) -> None:
        @app.post("/internal/templates/find")
        async def templates(question: TemplateQuestion) -> Response:
            active = {code: self.templates[code] for code in question.active if code in self.templates}
            keys = {str(ref): (ref.code, ref.language, ref.version) for ref in question.outlines}
            outlines = {name: self.versions[key] for name, key in keys.items() if key in self.versions}
            found = {"active": active, "outlines": outlines, "whole": {}}
            return self._found(f"templates {len(question.active) + len(keys)}", found)

        @app.post("/internal/templates/trials")
        async def trials(question: TrialQuestion) -> Response:
            """The version that is tried also needs `link`, and greets otherwise."""
            self.trials.append(question)
            tried = question.payloads[: self.tried_at_once]
            return self._found("trials", TrialFindings(results=tuple(self._tried(one) for one in tried)))

        @app.post("/internal/templates/push-texts")
        async def push_texts(question: PushTextQuestion) -> Response:
            texts = tuple(self._text(one) for one in question.payloads[: self.tried_at_once])
            return self._found(f"push texts {len(question.payloads)}", PushTextFindings(texts=texts))

    def _add_ledgers(self, app: FastAPI) -> None:
        @app.get("/{channel}/internal/ledger")
        async def ledger(channel: str, first: UUID, last: UUID) -> Response:
            return self._found(f"{channel} ledger {first} {last}", self.ledgers.get(channel))

        @app.post("/{channel}/internal/ledger/find")
        async def find(channel: str, question: LedgerQuestion) -> Response:
            return self._found(f"{channel} ledger find", self._findings(set(question.ids)))

        @app.post("/{channel}/internal/ledger/erase")
        async def erase(channel: str, erasure: LedgerErasureRequest) -> Response:
            self.forgotten.setdefault(channel, set()).update(erasure.ids)
            return self._found(f"{channel} ledger erase", LedgerErasure(deliveries=len(erasure.ids), open=0))

    def _add_suppressions(self, app: FastAPI) -> None:
        """The list is empty, and stays so. What is exported is `suppressed`, in the order of the fingerprints."""
        path = "/email/internal/suppressions"

        @app.get(path)
        async def suppressions(question: Annotated[SuppressionQuestion, Query()]) -> Response:
            return self._found(f"suppressions {question.offset}", SuppressionFindings(entries=(), total=0))

        @app.post(path)
        async def suppress(new: NewSuppressions) -> Response:
            self.added_suppressions.append(new)
            return self._found("suppress", SuppressionsAdded(added=len(new.emails) + len(new.exported)))

        @app.get("/email/internal/suppression-export")
        async def export(question: Annotated[SuppressionExportQuestion, Query()]) -> Response:
            following = [one for one in self.suppressed if one.fingerprint > question.after]
            wanted = [one for one in following if question.reason in {None, one.reason}]
            if self.asked.count("export") == self.exports:
                return refusal(Unavailable())
            return self._found("export", SuppressionExportPage(entries=tuple(wanted[: question.limit])))

        @app.api_route(path + "/{fingerprint}", methods=["GET", "DELETE"])
        async def suppression(fingerprint: str) -> Response:
            return self._found(f"suppression {fingerprint}", None)

        @app.post("/email/internal/bounces")
        async def bounce(request: Request) -> Response:
            return self._found(f"bounce {len(await request.body())}", BounceResult(result="unrecognised"))

    def _text(self, payload: PushTextPayload) -> RenderedText:
        push = self.pushes[payload.template.code, payload.template.version].render_push(payload.variables)
        return RenderedText(title=push.title, body=push.body, image=push.image, link=push.link)

    def _tried(self, payload: TrialPayload) -> TrialResult:
        before = self._rendering(f"Hi {payload.variables['name']}")
        if "link" not in payload.variables:
            after = TrialRendering(error="missing_variables", message="Variables are missing: link", missing=("link",))
            return TrialResult(before=before, after=after)
        after = self._rendering(f"Dear {payload.variables['name']}")
        return TrialResult(before=before, after=after, links_added=1, added=(payload.variables["link"],))

    def _rendering(self, subject: str) -> TrialRendering:
        return TrialRendering(subject=subject, subject_length=len(subject))

    def _findings(self, ids: set[UUID]) -> LedgerFindings:
        ended = tuple(one for one in self.ended if one.notification_id in ids)
        return LedgerFindings(ended=ended, open=tuple(ids & self.open))

    def _found(self, asked: str, value: object) -> Response:
        self.asked.append(asked)
        if self.down:
            return refusal(Unavailable())
        return refusal(NotFound()) if value is None else answer(value)


def _answers(user: UserContact, question: AddressQuestion) -> bool:
    if question.seen_by is not None and user.application_id not in {None, question.seen_by}:
        return False
    tokens = {device.token for device in user.push_tokens}
    return bool(tokens.intersection(question.tokens)) or user.email == (question.email or "").lower()


@contextlib.asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with serving(app, listener, lifespan="off", grace_seconds=1):
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture(name="served")
def served_fixture() -> Callable[[FastAPI], contextlib.AbstractAsyncContextManager[str]]:
    return served


@pytest.fixture
def peers() -> Peers:
    return Peers()


@cache
def _stand_in() -> tuple[Peers, FastAPI]:
    """The peers of whichever test runs, behind one app: it takes 20 ms to make."""
    standing_in = Peers()
    return standing_in, standing_in.app()


def app_of(peers: Peers) -> FastAPI:
    standing_in, app = _stand_in()
    standing_in.__dict__ = peers.__dict__
    return app


@dataclass
class Running:
    """A gateway in this process: a client of it, its broker, and the peers it asks."""

    app: FastAPI
    http: httpx2.AsyncClient
    broker: MemoryBroker
    peers: Peers
    settings: GatewaySettings
    redis: Redis

    @property
    def root(self) -> Gateway:
        """The composition root, for what requests cannot show or cause."""
        return self.app.state.gateway

    def token(self, user_id: UUID | None = None, role: str = "admin") -> dict[str, str]:
        return {"Authorization": f"Bearer {access_token(user_id or uuid4(), role)}"}

    async def send(self, **changes: object) -> httpx2.Response:
        headers = changes.pop("headers", None) or self.token(UUID(int=1))
        body = {"notification_type": "email", "template_code": "welcome", "variables": {"name": "Ada"}, **changes}
        return await self.http.post("/api/v1/notifications/", json=body, headers=headers)

    async def send_batch(self, **changes: object) -> httpx2.Response:
        """A batch with more items than one turn of the event loop processes."""
        body = {"notification_type": "email", "template_code": "welcome", "variables": {"name": "Ada"}, **changes}
        items = [body] * (AT_A_TIME + 1)
        return await self.http.post(
            "/api/v1/notifications/batch", json={"notifications": items}, headers=self.token(UUID(int=2))
        )

    async def mend(self, **template: object) -> None:
        """Another version becomes active, and the template service tells Redis; gateways remember the old one for a while."""
        self.peers.add_template(**template)
        await self.redis.set(f"{TEMPLATE_CACHE}:{template.get('code', 'welcome')}", TOMBSTONE)

    async def changed(self, user: UserContact, **changes: object) -> None:
        """The user changes, and the user service tells Redis; gateways remember the old one for a while."""
        self.peers.users[user.id] = user.model_copy(update=changes)
        await self.redis.set(f"{USER_CACHE}:{user.id}", TOMBSTONE)

    async def forget(self, user: UserContact) -> None:
        """Nothing is cached of the user any more, in Redis or in this gateway."""
        await self.redis.set(f"{USER_CACHE}:{user.id}", TOMBSTONE)
        await self.root.directory.users([user.id], fresh=True)

    async def change(self, statement: str) -> None:
        """Changes the gateway's database directly."""
        database = Database(self.settings.database_url)
        async with database.begin() as connection:
            await connection.execute(text(statement))
        await database.close()

    async def published(self, queue: str = "email.queue", number: int = 1) -> list[bytes]:
        """The next messages of a queue, taken as a worker takes them."""
        bodies: list[bytes] = []
        enough = asyncio.Event()

        async def handle(incoming: IncomingMessage) -> None:
            bodies.append(incoming.body)
            await incoming.ack()
            if len(bodies) >= number:
                enough.set()

        consumer = await self.broker.consume(queue, handle, prefetch=1)
        try:
            await asyncio.wait_for(enough.wait(), 10)
        finally:
            await consumer.close()
        return bodies

    async def report(self, notification_id: str, status: str, **fields: object) -> None:
        """Publishes a worker's report."""
        event = StatusEvent(
            **{"notification_id": UUID(notification_id), "notification_type": "email", "status": status}
            | {"at": datetime.now(UTC)}
            | fields
        )
        body = StatusEvents(events=(event,)).model_dump_json().encode()
        publication = Publication(STATUS_KEY, body, message_id=str(uuid4()))
        assert await self.broker.publish_many([publication]) == [None]

    async def callback(self, name: str, status: str, **fields: object) -> httpx2.Response:
        """Sends a provider's callback."""
        body = {"notification_id": name, "status": status, **fields}
        return await self.http.post("/api/v1/email/status/", json=body, headers=self.token())

    async def detail(self, notification_id: str) -> dict:
        answered = await self.http.get(f"/api/v1/notifications/{notification_id}", headers=self.token())
        return answered.json()["data"]

    async def until(self, notification_id: str, status: str, seconds: float = 10) -> dict:
        async def reached() -> dict | None:
            detail = await self.detail(notification_id)
            return detail if detail["status"] == status else None

        return await eventually(reached, seconds)


def access_token(user_id: UUID, role: str) -> str:

    now = int(time.time())
    claims = {
        "sub": str(user_id), "iss": ACCESS_ISSUER, "aud": ACCESS_AUDIENCE, "iat": now, "exp": now + 600,
        "jti": str(uuid4()), "role": role, "scopes": [],
    }  # fmt: skip
    return sign(claims, SigningKey("shared", "HS256", SECRET))


@contextlib.asynccontextmanager
async def _first_turn_of_the_relay() -> AsyncIterator[None]:
    """Waits until the relay's first run is over: if it then pauses for long, it takes nothing that the test accepts."""
    turned, run_once = asyncio.Event(), Relay.run_once

    async def noted(relay: Relay) -> int:
        try:
            return await run_once(relay)
        finally:
            turned.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Relay, "run_once", noted)
        yield
        await asyncio.wait_for(turned.wait(), 10)


Start = Callable[..., Awaitable[Running]]


@pytest.fixture
async def start(databases, redis: Redis, peers: Peers) -> AsyncIterator[Start]:
    """Starts gateways over one database: `await start(lease_seconds=1)`."""
    async with contextlib.AsyncExitStack() as stack:
        peers_url = await stack.enter_async_context(served(app_of(peers)))
        url = await databases(ALEMBIC)
        broker = MemoryBroker(TOPOLOGY)

        async def run(*, redis: Redis = redis, broker: MemoryBroker = broker, **changes: object) -> Running:
            options = {
                "_env_file": None, "database_url": url, "algorithm": "HS256", "secret_key": SECRET,
                "user_service_url": peers_url, "template_service_url": peers_url,
                "email_service_url": f"{peers_url}/email", "push_service_url": f"{peers_url}/push",
                "relay_interval_seconds": 0.05, "deferred_retry_seconds": 0.2, "queued_mark_seconds": 0.05, **changes,
            }  # fmt: skip
            settings = GatewaySettings(**options)
            async with _first_turn_of_the_relay():
                app = create_app(settings, redis=redis, broker=broker)
                await stack.enter_async_context(app.router.lifespan_context(app))
            transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
            # The stand-ins answer what is forwarded, and only as much as a test needs.
            hooks = {"response": [Conformance(app, elsewhere=FORWARDED)]}
            http = await stack.enter_async_context(
                httpx2.AsyncClient(transport=transport, base_url="http://gateway", event_hooks=hooks)
            )
            return Running(app, http, broker, peers, settings, redis)

        yield run


@pytest.fixture
async def gateway(start: Start) -> Running:
    return await start()
