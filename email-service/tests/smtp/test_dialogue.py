"""Commands ahead of their answers: fewer round trips, and never an answer taken for another's."""

import asyncio
from collections.abc import AsyncIterator

import aiosmtplib
import pytest

from delivery.outcomes import Permanent, Sent
from email_service.senders.smtp.dialogue import Dialogue
from testkit.eventually import time_passes

TRANSACTION = [b"MAIL", b"RCPT", b"DATA"]
EHLO = b"250-here\r\n250 PIPELINING\r\n"


class RawServer:
    """Says `answers[n]` to the n-th piece of what it receives, after the EHLO's answer. `pieces` is what came."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []
        self.pieces: list[bytes] = []
        self.port = 0
        self._writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        writer.write(b"220 ready\r\n")
        await reader.read(4096)
        writer.write(EHLO)
        while piece := await reader.read(65_536):
            self.pieces.append(piece)
            writer.write(self.answers.pop(0) if self.answers else b"250 fine\r\n")

    def say(self, data: bytes) -> None:
        self._writers[-1].write(data)

    def close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


@pytest.fixture
async def raw() -> AsyncIterator[RawServer]:
    server = RawServer()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    yield server
    server.close()
    listening.close()
    await listening.wait_closed()


@pytest.fixture
async def dialogue(raw) -> AsyncIterator[Dialogue]:
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=raw.port, start_tls=False)
    await client.connect()
    await client.ehlo()
    taken = Dialogue(client)
    yield taken
    taken.abort()


async def test_a_message_takes_two_writes_where_the_server_takes_commands_ahead(raw, senders, envelope):
    raw.answers = [b"250 a\r\n250 b\r\n354 go\r\n", b"250 2.0.0 Ok: queued as 4F2A77\r\n"]
    assert await senders(raw.port).send(envelope()) == Sent("4F2A77")
    assert [line[:4] for line in raw.pieces[0].splitlines()] == TRANSACTION
    assert raw.pieces[1:] == [b"Subject: Hi\r\n\r\nHello\r\n.\r\n"]


async def test_a_server_that_wants_a_message_without_recipients_gets_an_empty_one(raw, senders, envelope):
    sender = senders(raw.port)
    raw.answers = [b"250 a\r\n550 5.1.1 unknown\r\n354 go\r\n", b"554 no recipients\r\n", b"250 reset\r\n"]
    assert isinstance(await sender.send(envelope()), Permanent)
    assert raw.pieces[1:] == [b".\r\n"]
    raw.answers += [b"250 a\r\n250 b\r\n354 go\r\n", b"250 Ok: queued as 4F2A77\r\n"]
    assert await sender.send(envelope()) == Sent("4F2A77")
    assert b"Hello" not in b"".join(raw.pieces[:4])


async def test_replies_come_in_any_pieces(raw, dialogue):
    raw.answers = [b"2"]
    dialogue.say(b"ONE", b"TWO", b"THREE")
    first = asyncio.create_task(dialogue.reply(5))
    for piece in (b"50-first\r\n250 se", b"cond\r\n250", b"\r\n451-4.3", b".0\r\n451 later\r\n"):
        await time_passes(0.01)  # else two pieces come as one
        raw.say(piece)
    replies = [await first, await dialogue.reply(5), await dialogue.reply(5)]
    assert [tuple(reply) for reply in replies] == [(250, "first\nsecond"), (250, ""), (451, "4.3.0\nlater")]
    assert dialogue.in_sync


async def test_a_notice_between_commands_ends_the_connection(raw, dialogue, until):
    raw.say(b"421 4.4.2 idle too long\r\n")
    await until(lambda: not dialogue.connected)
    assert dialogue.in_sync


async def test_bytes_after_the_last_reply_are_no_reply(raw, dialogue, until):
    raw.answers = [b"250 a\r\n421 closing\r\n"]
    dialogue.say(b"ONE")
    assert (await dialogue.reply(5)).code == 250
    await until(lambda: not dialogue.connected)
    with pytest.raises(ConnectionError):
        dialogue.say(b"TWO")


@pytest.mark.parametrize("nonsense", [b"what?\r\n", b"250x\r\n", b"2 50\r\n", b"250-a\r\nb\r\n", b"9" * 40_000])
async def test_bytes_that_are_no_reply_are_reported(raw, dialogue, nonsense):
    raw.answers = [nonsense]
    dialogue.say(b"ONE")
    assert (await dialogue.reply(5)).code == 0


@pytest.mark.parametrize("command", [b"RCPT TO:<a@b.example>\r\nDATA", b"NOOP\n", b"NO\0OP", b"NO\x7fOP"])
async def test_a_command_is_one_line(raw, dialogue, command):
    with pytest.raises(ValueError, match="control"):
        dialogue.say(command)
    assert raw.pieces == []


async def test_a_reply_that_does_not_come_is_not_waited_for_for_ever(raw, dialogue):
    raw.answers = [b""]
    dialogue.say(b"ONE")
    with pytest.raises(TimeoutError):
        await dialogue.reply(0.05)
    assert not dialogue.in_sync
