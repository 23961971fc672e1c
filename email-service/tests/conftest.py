"""Waiting for a condition; and the services, the DNS and the Amazon that a worker asks, as far as it asks them."""

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import dns.flags
import dns.message
import dns.rrset
import pytest
import uvicorn
from aiohttp import TCPConnector, web
from aiohttp.abc import AbstractResolver, ResolveResult
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chassis.http.envelope import answer
from contracts.emails import AttachmentRef
from contracts.recipients import Preferences
from contracts.templates import TemplateInfo, TemplateQuestion
from contracts.users import UserContact, UserQuestion
from devstack.simulators.mail_accounts import SnsTopic
from email_service.dkim import keys
from testkit.eventually import eventually
from testkit.servers.certificates import Authority

READ_ONCE = {name: cache(getattr(keys, name)) for name in ("load_der_private_key", "load_pem_private_key")}


@pytest.fixture(autouse=True)
def _each_rsa_key_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time its primes are checked, for 60 ms of a core."""
    for name, read in READ_ONCE.items():
        monkeypatch.setattr(keys, name, read)


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


@dataclass
class Zone:
    """A DNS server on UDP. `entries` has "name kind" → values as in a zone file. While `silent` it answers nothing."""

    entries: dict[str, list[str]] = field(default_factory=dict)
    address: str = ""
    silent: bool = False

    def answer(self, query: bytes) -> bytes:
        asked = dns.message.from_wire(query)
        question = asked.question[0]
        answer = dns.message.make_response(asked)
        answer.flags |= dns.flags.RA
        kind = "TXT" if question.rdtype == 16 else "MX"
        if values := self.entries.get(f"{question.name.to_text().rstrip('.')} {kind}"):
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *values))
        return answer.to_wire()


@pytest.fixture
def zone() -> Iterator[Zone]:
    made = Zone()
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind(("127.0.0.1", 0))
    made.address = f"127.0.0.1:{listener.getsockname()[1]}"

    def serve() -> None:
        while True:
            query, client = listener.recvfrom(4096)
            if not query:
                return
            if not made.silent:
                listener.sendto(made.answer(query), client)

    thread = threading.Thread(target=serve)
    thread.start()
    yield made
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
        last.sendto(b"", listener.getsockname())
    thread.join()
    listener.close()


class Amazon(AbstractResolver):
    """A server with Amazon's names and a certificate for them, whose authority only `connector` trusts."""

    def __init__(self, topic: SnsTopic, context: ssl.SSLContext) -> None:
        self.topic = topic
        self.pages: dict[str, bytes] = {urlsplit(topic.certificate_url).path: topic.certificate()}
        self.status = 200
        self.asked: list[str] = []
        self.port = 0
        self._context = context

    def connector(self) -> TCPConnector:
        return TCPConnector(resolver=self, ssl=self._context)

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host="127.0.0.1", port=self.port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None: ...

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.host}{request.path_qs}")
        headers = {"Location": "/elsewhere"} if self.status in (301, 302) else {}
        return web.Response(body=self.pages.get(request.path, b""), status=self.status, headers=headers)


@pytest.fixture
def topic() -> SnsTopic:
    return SnsTopic()


@pytest.fixture
async def amazon(topic: SnsTopic, tmp_path: Path) -> AsyncIterator[Amazon]:
    authority = Authority(tmp_path, "authority")
    served, trusted = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    served.load_cert_chain(*authority.issue(topic.host))
    trusted.load_verify_locations(authority.certificate)
    made = Amazon(topic, trusted)
    app = web.Application()
    app.router.add_get("/{rest:.*}", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=served)
    await site.start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()
