"""A mail server by script, and senders that talk to it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from delivery.outcomes import Outcome
from email_service.senders.smtp.connector import SmtpConnector
from email_service.senders.smtp.dialogue import NoConnection, SmtpEnvelope
from email_service.senders.smtp.pool import SmtpPool
from email_service.senders.smtp.sender import SmtpSender
from email_service.settings import EmailSettings
from testkit.eventually import other_tasks, time_passes

HANG_UP = ""
SILENCE = None
LATE_SECONDS = 0.5
GOOD = {
    "greeting": "220 ready",
    "EHLO": "250-scripted\r\n250 SMTPUTF8",
    "DATA without recipient": "503 5.5.1 No valid recipients",
    "DATA": "354 go on",
    "DOT": "250 2.0.0 Ok: queued as 4F2A77",
}


@dataclass
class ScriptedServer:
    """Answers each step by `script[step]`, one reply after the other over all connections, then as a good server does.

    With `pipelining` it says so: commands may come ahead of its answers. Steps: greeting, EHLO, MAIL, RCPT, DATA, BODY (the
    first bytes after 354), DOT, RSET, ... A reply of HANG_UP closes, SILENCE waits for ever, a reply that begins with
    "LATE " comes after a while. `heard` has (number of the connection, step) in order.
    """

    pipelining: bool = False
    script: dict[str, list[str | None]] = field(default_factory=dict)
    heard: list[tuple[int, str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    connections: int = 0
    open: set[int] = field(default_factory=set)
    port: int = 0
    _writers: dict[int, asyncio.StreamWriter] = field(default_factory=dict)
    _taken: dict[int, bool] = field(default_factory=dict)  # whether the connection's recipient was

    def steps(self, connection: int) -> list[str]:
        return [step for number, step in self.heard if number == connection]

    def drop_all(self) -> None:
        """As a restart does: every connection is gone without a notice."""
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
                    writer.transport.pause_reading()  # else the stream reader would take it all in
                    await self._reply(number, "BODY", writer)
                    return
                self.messages.append(await _message(reader))
                if not await self._reply(number, "DOT", writer):
                    return

    async def _reply(self, number: int, step: str, writer: asyncio.StreamWriter) -> bool:
        self.heard.append((number, step))
        planned = self.script.get(step)
        good = (
            GOOD["DATA without recipient"] if step == "DATA" and not self._taken[number] else GOOD.get(step, "250 fine")
        )
        if step == "EHLO" and self.pipelining:
            good = "250-scripted\r\n250-PIPELINING\r\n250 SMTPUTF8"
        reply = planned.pop(0) if planned else good
        if reply is SILENCE:
            await asyncio.Event().wait()
        if not reply:
            writer.transport.abort()
            return False
        if reply.startswith("LATE "):
            await time_passes(LATE_SECONDS)
            reply = reply.removeprefix("LATE ")
        self._last = reply
        if step == "MAIL":
            self._taken[number] = False
        elif step == "RCPT":
            self._taken[number] |= reply.startswith("2")
        writer.write(reply.encode("utf-8", "surrogateescape") + b"\r\n")
        await writer.drain()
        return True


async def _message(reader: asyncio.StreamReader) -> bytes:
    """Up to the line with the dot alone, which is all of an empty message."""
    first = await reader.readexactly(3)
    return first if first == b".\r\n" else first + await reader.readuntil(b"\r\n.\r\n")


@pytest.fixture(params=[False, True], ids=["", "pipelining"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[ScriptedServer]:
    scripted = ScriptedServer(pipelining=request.param)
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


class Attempting:
    """A sender whose two steps are one: a connection, then the attempt."""

    def __init__(self, pool: SmtpPool) -> None:
        self._sender = SmtpSender(pool)
        self.close = self._sender.close

    async def send(self, envelope: SmtpEnvelope) -> Outcome:
        try:
            reserved = await self._sender.reserve()
        except NoConnection as nowhere:
            return nowhere.outcome
        return await self._sender.send(envelope, reserved)


@dataclass
class Senders:
    """Makes senders for a port; all are closed at the end."""

    made: list[SmtpPool] = field(default_factory=list)

    def __call__(self, port: int, **settings: object) -> Attempting:
        return Attempting(self.pool(port, **settings))

    def pool(self, port: int, **settings: object) -> SmtpPool:
        chosen = smtp_settings(port, **settings)
        connector = SmtpConnector(chosen.providers["smtp"], chosen)
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
    await other_tasks()  # transports close in the loop's next turn


@pytest.fixture
def envelope() -> Callable[..., SmtpEnvelope]:
    def make(
        recipient: str = "ada@example.com",
        *copies: str,
        body: bytes = b"Hello\r\n",
        needs_utf8: bool = False,
    ) -> SmtpEnvelope:
        return SmtpEnvelope("sender@example.org", recipient, needs_utf8, b"Subject: Hi\r\n\r\n" + body, copies)

    return make
