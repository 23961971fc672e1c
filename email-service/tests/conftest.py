"""What the e-mail service's tests run against: a mail server by script, the mail simulator, and the two services it asks."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
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
from devstack.simulators.faults import Faults
from devstack.simulators.smtp import SmtpSimulator
from devstack.simulators.store import Inbox
from email_service.senders.smtp import SmtpSender
from email_service.senders.smtp_connector import SmtpConnector
from email_service.senders.smtp_phases import Parcel
from email_service.senders.smtp_pool import SmtpPool
from email_service.settings import EmailSettings

HANG_UP = ""
SILENCE = None
GOOD = {
    "greeting": "220 ready",
    "EHLO": "250-scripted\r\n250 SMTPUTF8",
    "DATA": "354 go on",
    "DOT": "250 2.0.0 Ok: queued as 4F2A77",
}


@dataclass
class ScriptedServer:
    """Answers each step by `script[step]`, one reply after the other over all connections, then as a good server does.

    Steps: greeting, EHLO, MAIL, RCPT, DATA, BODY (the first bytes after 354), DOT, RSET, ... A reply of HANG_UP closes,
    SILENCE waits for ever. `heard` has (number of the connection, step) in order.
    """

    script: dict[str, list[str | None]] = field(default_factory=dict)
    heard: list[tuple[int, str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    connections: int = 0
    open: set[int] = field(default_factory=set)
    port: int = 0
    _writers: dict[int, asyncio.StreamWriter] = field(default_factory=dict)

    def steps(self, connection: int) -> list[str]:
        return [step for number, step in self.heard if number == connection]

    def drop_all(self) -> None:
        """As a restart does: every connection is gone, none was told."""
        for writer in self._writers.values():
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        self.open.add(number)
        self._writers[number] = writer
        try:
            await self._talk(number, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open.discard(number)
            del self._writers[number]
            writer.close()

    async def _talk(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not await self._reply(number, "greeting", writer):
            return
        while line := await reader.readline():
            self.lines.append(line.decode("utf-8").rstrip())
            verb = line.split()[0].decode().upper()
            if not await self._reply(number, verb, writer) or verb == "QUIT":
                return
            if verb == "DATA" and self._last.startswith("354"):
                if self.script.get("BODY"):
                    await reader.read(1000)
                    self.heard.append((number, "BODY"))
                    self.script["BODY"].pop()
                    writer.transport.abort()
                    return
                self.messages.append(await reader.readuntil(b"\r\n.\r\n"))
                if not await self._reply(number, "DOT", writer):
                    return

    async def _reply(self, number: int, step: str, writer: asyncio.StreamWriter) -> bool:
        self.heard.append((number, step))
        planned = self.script.get(step)
        reply = planned.pop(0) if planned else GOOD.get(step, "250 fine")
        if reply is SILENCE:
            await asyncio.Event().wait()
        if not reply:
            writer.transport.abort()
            return False
        self._last = reply
        writer.write(reply.encode("utf-8", "surrogateescape") + b"\r\n")
        await writer.drain()
        return True


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    scripted = ScriptedServer()
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(scripted.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listening = await asyncio.start_server(accept, "127.0.0.1", 0, limit=2**26)
    scripted.port = listening.sockets[0].getsockname()[1]
    yield scripted
    listening.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await listening.wait_closed()


def smtp_settings(port: int, **others: object) -> EmailSettings:
    given = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_command_seconds": 5, "smtp_final_dot_seconds": 5}
    return EmailSettings(
        _env_file=None, **{"smtp_connect_seconds": 5, "from_email": "sender@example.org"} | given | others
    )


@dataclass
class Senders:
    """Makes senders for a port; all are closed at the end."""

    made: list[SmtpPool] = field(default_factory=list)

    def __call__(self, port: int, **settings: object) -> SmtpSender:
        return SmtpSender(self.pool(port, **settings))

    def pool(self, port: int, **settings: object) -> SmtpPool:
        chosen = smtp_settings(port, **settings)
        connector = SmtpConnector(chosen)
        self.made.append(
            SmtpPool(connector.connect, size=chosen.worker_concurrency, idle_seconds=chosen.smtp_idle_seconds)
        )
        return self.made[-1]


@pytest.fixture
async def senders() -> AsyncIterator[Senders]:
    made = Senders()
    yield made
    for pool in made.made:
        pool.close()
    await asyncio.sleep(0)  # transports close in the loop's next turn


@pytest.fixture
def parcel() -> Callable[..., Parcel]:
    def make(recipient: str = "ada@example.com", *, body: bytes = b"Hello\r\n", needs_utf8: bool = False) -> Parcel:
        return Parcel("sender@example.org", recipient, needs_utf8, b"Subject: Hi\r\n\r\n" + body)

    return make


@pytest.fixture
def until() -> Callable[[Callable[[], object]], Awaitable[None]]:
    """Waits for a condition, with a deadline."""

    async def wait(condition: Callable[[], object], within: float = 10.0) -> None:
        async with asyncio.timeout(within):
            while not condition():
                await asyncio.sleep(0.01)

    return wait


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def simulator(inbox: Inbox) -> AsyncIterator[SmtpSimulator]:
    running = SmtpSimulator(inbox, faults=Faults())
    await running.start()
    yield running
    await running.close()


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
    async with AsyncExitStack() as stack:
        fake.url = await stack.enter_async_context(_serving(fake.app()))
        yield fake
