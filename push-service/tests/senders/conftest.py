"""FCM as a script: a TCP server that answers each call with the next line of it, and notes what it was sent."""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

import pytest

from contracts.overrides import Overrides, PushOverrides
from contracts.recipients import PushToken
from delivery.channel import DeliveryContext
from delivery.outcomes import Outcome
from devstack.simulators.run import RunningSimulators
from push_service.senders.fcm.google_auth import ServiceAccount, google_access_token
from push_service.senders.fcm.sender import FcmSender
from push_service.senders.http_client import HttpClient
from push_service.settings import PushSettings
from push_service.worker import create_fcm_sender
from templating import RenderedPush

NOTIFICATION = UUID("018f0000-0000-7000-8000-000000000001")


@dataclass(frozen=True)
class Line:
    """What is said to one call. `last`: then the connection closes; `silent`: nothing, for ever."""

    content: bytes = b""
    last: bool = False
    silent: bool = False


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    body: bytes


def answer(status: int, body: object, headers: dict[str, str] | None = None) -> Line:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = {"Content-Length": str(len(content)), "Content-Type": "application/json", **(headers or {})}
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in head.items()), "", ""]
    return Line("\r\n".join(lines).encode() + content)


class Script:
    """The lines still to be said at one path, and the requests that were made there."""

    def __init__(self, otherwise: Callable[[int], object]) -> None:
        self.requests: list[Request] = []
        self._lines: deque[Line] = deque()
        self._otherwise = otherwise

    def answers(self, status: int, body: object = b"", **headers: str) -> None:
        named = {name.replace("_", "-").title(): value for name, value in headers.items()}
        self._lines.append(answer(status, body, named))

    def hangs_up(self, after: bytes = b"") -> None:
        self._lines.append(Line(after, last=True))

    def says_nothing(self) -> None:
        self._lines.append(Line(silent=True))

    def says(self, content: bytes) -> None:
        """As it stands, and the connection is kept."""
        self._lines.append(Line(content))

    def next(self, request: Request) -> Line:
        self.requests.append(request)
        return self._lines.popleft() if self._lines else answer(200, self._otherwise(len(self.requests)))


class ScriptedFcm:
    """Takes what it is given unless `sends` or `grants` say otherwise."""

    def __init__(self) -> None:
        self.sends = Script(lambda count: {"name": f"projects/p/messages/{count}"})
        self.grants = Script(lambda count: {"access_token": f"access-{count}", "expires_in": 3600})
        self.connections = 0
        self.base_url = ""
        self._ended = asyncio.Event()
        self._serving: set[asyncio.Task[None]] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._serving.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._serve_one(reader, writer):
                pass
        writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        request = await _read(reader)
        line = (self.grants if request.path == "/token" else self.sends).next(request)
        if line.silent:
            await self._ended.wait()
        writer.write(line.content)
        await writer.drain()
        return not line.last

    async def left(self) -> None:
        """Returns when every connection has been closed from the other side."""
        async with asyncio.timeout(5):
            await asyncio.gather(*self._serving)

    async def close(self) -> None:
        self._ended.set()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(head[0].split(" ")[1], headers, body)


@pytest.fixture
async def fcm() -> AsyncIterator[ScriptedFcm]:
    script = ScriptedFcm()
    server = await asyncio.start_server(script.accept, "127.0.0.1", 0)
    script.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield script
    server.close()
    await script.close()
    await server.wait_closed()


@pytest.fixture
def at_script(account: ServiceAccount, fcm: ScriptedFcm) -> ServiceAccount:
    """The account, whose access tokens are the script's."""
    return account.model_copy(update={"token_uri": f"{fcm.base_url}/token"})


@pytest.fixture
async def sender(fcm: ScriptedFcm, at_script: ServiceAccount) -> AsyncIterator[FcmSender]:
    http = HttpClient(timeout_seconds=0.5, connections=4, connect_seconds=0.5)
    sender = FcmSender(
        http, google_access_token(at_script, http), send_url=f"{fcm.base_url}/v1/projects/p/messages:send"
    )
    yield sender
    await sender.close()


Send = Callable[..., Awaitable[Outcome]]


@pytest.fixture(name="attempts_of")
def attempts_of_() -> Callable[[FcmSender], Send]:
    return attempts_of


def attempts_of(sender: FcmSender) -> Send:
    """`await send()`: one attempt, with other content, token or device, correlation id, priority, expiry or push overrides if
    given."""

    async def attempt(
        *, title="Hello", body="There", image="", link="", token="device-1", correlation_id="story-1", priority=5,
        expires_at=None, device=None, push=None,
    ) -> Outcome:  # fmt: skip
        content = RenderedPush(title=title, body=body, image=image, link=link)
        overrides = None if push is None else Overrides(push=PushOverrides.model_validate(push))
        context = DeliveryContext(NOTIFICATION, correlation_id, priority, expires_at, overrides=overrides)
        return await sender.send(content, device or PushToken(token=token), context)

    return attempt


@pytest.fixture
def send(sender: FcmSender) -> Send:
    return attempts_of(sender)


@pytest.fixture
async def send_to_simulator(simulators: RunningSimulators) -> AsyncIterator[Send]:
    sender = create_fcm_sender(
        PushSettings(
            _env_file=None,
            fcm_base_url=simulators.base_url,
            fcm_service_account_file=simulators.service_account,
        )
    )
    yield attempts_of(sender)
    await sender.close()


@pytest.fixture
def account_json(account: ServiceAccount) -> str:
    """The account as Google hands it out."""
    return json.dumps(account.model_dump() | {"private_key": account.private_key.get_secret_value()})
