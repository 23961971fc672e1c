"""Waiting for a condition; and the services that a worker asks, as far as it asks them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from uuid import UUID, uuid4

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chassis.http.envelope import answer
from contracts.emails import AttachmentRef
from contracts.recipients import Preferences
from contracts.templates import TemplateInfo, TemplateQuestion
from contracts.users import UserContact, UserQuestion
from testkit.eventually import eventually


@pytest.fixture
def until() -> Callable[..., Awaitable[object]]:
    return eventually


@dataclass
class Lookups:
    """The user service, the template service and the gateway, as far as a worker asks them; on one port."""

    users: dict[UUID, UserContact] = field(default_factory=dict)
    templates: dict[str, TemplateInfo] = field(default_factory=dict)
    attachments: dict[UUID, bytes] = field(default_factory=dict)
    gateway_down: bool = False
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def add_user(self, email: str, *, name: str = "Ada Lovelace", wants_email: bool = True) -> UUID:
        user = UserContact(id=uuid4(), name=name, email=email, preferences=Preferences(email=wants_email))
        self.users[user.id] = user
        return user.id

    def add_template(
        self, code: str, *, subject: str, html: str = "", text: str = "", purpose: str | None = None
    ) -> None:
        self.templates[code] = TemplateInfo(
            code=code,
            version=1,
            language="en",
            serves_email=True,
            serves_push=False,
            subject=subject,
            html=html,
            text=text,
            purpose=purpose,
        )

    def add_attachment(self, content: bytes, filename: str, content_type: str, **changes: object) -> AttachmentRef:
        ref = AttachmentRef(
            id=uuid4(),
            filename=filename,
            content_type=content_type,
            size=len(content),
            sha256=sha256(content).hexdigest(),
        ).model_copy(update=changes)
        self.attachments[ref.id] = content
        return ref

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/internal/users/find", self._users, methods=["POST"]),
                Route("/internal/templates/find", self._templates, methods=["POST"]),
                Route("/internal/attachments/{id:uuid}", self._attachment),
                Route("/health/live", self._live),
            ]
        )

    async def _users(self, request: Request) -> Response:
        ids = UserQuestion.model_validate_json(await request.body()).ids
        return self._answer(request, {"users": {str(one): self.users[one] for one in ids if one in self.users}})

    async def _templates(self, request: Request) -> Response:
        whole = TemplateQuestion.model_validate_json(await request.body()).whole
        found = {str(ref): self.templates[ref.code] for ref in whole if ref.code in self.templates}
        return self._answer(request, {"active": {}, "outlines": {}, "whole": found})

    async def _attachment(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        if self.gateway_down:
            return Response(status_code=503)
        content = self.attachments.get(request.path_params["id"])
        if content is None:
            return Response(b'{"error": "attachment_not_found"}', status_code=404)
        return Response(content)

    async def _live(self, _request: Request) -> Response:
        return answer()

    def _answer(self, request: Request, found: object) -> Response:
        assert request.headers["Authorization"].startswith("Bearer ")
        self.asked.append(request.url.path)
        return answer(found)


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
