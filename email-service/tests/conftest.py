"""Waiting for a condition; and the two services that a worker asks, as far as it asks them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chassis.envelope import answer, refusal
from chassis.errors import NotFound
from contracts.lookups import TemplateInfo, UserContact
from contracts.recipients import Preferences


@pytest.fixture
def until() -> Callable[[Callable[[], object]], Awaitable[None]]:
    """Waits for a condition, with a deadline."""

    async def wait(condition: Callable[[], object], within: float = 10.0) -> None:
        async with asyncio.timeout(within):
            while not condition():
                await asyncio.sleep(0.01)

    return wait


@dataclass
class Lookups:
    """The user service and the template service, as far as a worker asks them; on one port."""

    users: dict[UUID, UserContact] = field(default_factory=dict)
    templates: dict[str, TemplateInfo] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def add_user(self, email: str, *, name: str = "Ada Lovelace", wants_email: bool = True) -> UUID:
        user = UserContact(id=uuid4(), name=name, email=email, preferences=Preferences(email=wants_email))
        self.users[user.id] = user
        return user.id

    def add_template(self, code: str, *, subject: str, html: str = "", text: str = "") -> None:
        self.templates[code] = TemplateInfo(
            code=code,
            version=1,
            language="en",
            serves_email=True,
            serves_push=False,
            subject=subject,
            html=html,
            text=text,
        )

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/internal/users/{id:uuid}", self._user),
                Route("/internal/templates/{code}", self._template),
                Route("/health/live", self._live),
            ]
        )

    async def _user(self, request: Request) -> Response:
        return self._found(request, self.users.get(request.path_params["id"]))

    async def _template(self, request: Request) -> Response:
        return self._found(request, self.templates.get(request.path_params["code"]))

    async def _live(self, _request: Request) -> Response:
        return answer()

    def _found(self, request: Request, found: UserContact | TemplateInfo | None) -> Response:
        assert request.headers["Authorization"].startswith("Bearer ")
        self.asked.append(request.url.path)
        return refusal(NotFound()) if found is None else answer(found)


class _Uvicorn(uvicorn.Server):
    @contextmanager
    def capture_signals(self):
        yield


@asynccontextmanager
async def _serving(app: Starlette) -> AsyncIterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = _Uvicorn(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


@pytest.fixture
async def lookups() -> AsyncIterator[Lookups]:
    fake = Lookups()
    fake.add_template("welcome", subject="Welcome, {{ name }}", html="<p>Hello {{ name }}!</p>")
    async with _serving(fake.app()) as fake.url:
        yield fake
