"""Any bytes get an answer below 500 or a closed connection, in time. Other clients are served. Nothing is smuggled.

Streams are made of requests with something wrong here and there (in head, length, chunks, trailers, line ends), pipelined,
cut anywhere, sent in pieces; some have no end. h11, another parser, says what a proxy in front may have read in them.
"""

import asyncio
import contextlib
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import h11
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from chassis.http.bounded import Bounds, bounded
from testkit.eventually import time_passes
from testkit.serving import serving

SECONDS = 0.1  # of every time-out
BOUNDS = Bounds(
    head_bytes=4_096,
    head_fields=20,
    pipelined=8,
    head_seconds=SECONDS,
    body_seconds=SECONDS,
    goodbye_seconds=SECONDS,
    goodbye_bytes=65_536,
    rest_seconds=SECONDS,
    rest_bytes=65_536,
    unread_seconds=SECONDS,
)
WAIT_SECONDS = 5.0  # for a busy machine; no stream takes more than a few of the time-outs
STREAMS, AT_ONCE = 800, 25
MEGABYTES = 16  # how much memory all streams may leave behind
GOOD = b"GET /good HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

METHODS = [b"GET", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS"]
EARLY = b"/early"  # is answered before its body is read
TARGETS = [b"/", EARLY, b"/a?b=c", b"/a%00", b"//x/a", b"/" + b"a" * 300]
ODD_STARTS = [
    b"GET  / HTTP/1.1", b"GET / HTTP/1.0", b"GET / HTTP/2.0", b"GET / HTTP/1.1 ", b"GET /", b"GET\t/ HTTP/1.1",
    b"CONNECT x:443 HTTP/1.1", b"PRI * HTTP/2.0", b"GET * HTTP/1.1", b"GET http://y/ HTTP/1.1", b"GET /\x80\xff HTTP/1.1",
    b"GET / HTTP/1.1\x00", b"\x16\x03\x01\x02", b"GET / HTTP/1.1\r\n ", b"", b"GET /a b HTTP/1.1", b"get / HTTP/1.1",
]  # fmt: skip
LENGTHS = [
    b"0",
    b"3",
    b"5",
    b"05",
    b"+5",
    b"-1",
    b"5, 5",
    b"5,6",
    b"0x5",
    b"5 5",
    b"",
    b"9" * 30,
    b"5\x0b",
    b"5\x00",
    b"1e1",
]
CODINGS = [
    b"chunked", b"Chunked", b"identity", b"chunked, chunked", b"gzip, chunked", b"chunked, gzip", b"xchunked", b"chunked\x0b",
    b"chunked;q=1", b"\x00chunked", b"", b",chunked", b"chunked,",
]  # fmt: skip
FIELDS = [
    b"Connection: close", b"Connection: keep-alive, upgrade", b"Upgrade: websocket", b"Upgrade: h2c", b"Expect: 100-continue",
    b"Expect: x", b"X-A: b", b"X-A : b", b" X-A: b", b"X-A", b": b", b"X\x00A: b", b"X-A: \x00", b"X-A: \xff\x80", b"X-A:\tb",
    b"X-A: b\rX-B: c", b"X-A: b\n c", b"Host: y", b"X_A: b", b"X-A: " + b"a" * 5_000, b"X-(A): b", b"Proxy-Connection: x",
]  # fmt: skip
LAST_CHUNKS = [
    *[b"0\r\n\r\n"] * 6, b"0\r\nX-A: b\r\n\r\n", b"00\r\n\r\n", b"0\r\n", b"0\n\n", b"0\r\nContent-Length: 9\r\n\r\n",
]  # fmt: skip
SIZES = [
    b"5",
    b"05",
    b"5;a=b",
    b'5;a="\r\n0\r\n"',
    b"5 ",
    b" 5",
    b"0x5",
    b"+5",
    b"-5",
    b"f" * 16,
    b"f" * 20,
    b"",
    b"g",
    b"5\n",
]
ENDLESS = [b"X-A: b\r\n", b"a", b"1\r\na\r\n", b"\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b";a=b", b"\x00"]


class Stream(NamedTuple):
    """What one connection sends: `pieces`, then `endless` again and again, then `ending`."""

    pieces: tuple[bytes, ...]
    endless: bytes
    ending: str

    @property
    def start(self) -> bytes:
        return b"".join(self.pieces)


def rarely(draw: st.DrawFn, once_in: int) -> bool:
    return draw(st.integers(1, once_in)) == once_in  # hypothesis likes small numbers


line_ends = st.sampled_from([b"\n", b"\r", b"\r\r\n", b"\n\r\n", b"\x0b\r\n"])
start_lines = st.builds(b"%b %b HTTP/1.1".__mod__, st.tuples(st.sampled_from(METHODS), st.sampled_from(TARGETS)))
lengths = st.sampled_from(LENGTHS).map(lambda value: b"Content-Length: " + value)
codings = st.sampled_from(CODINGS).map(lambda value: b"Transfer-Encoding: " + value)
chunks = st.binary(min_size=1, max_size=20).map(lambda data: b"%x\r\n%b\r\n" % (len(data), data))


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    head = [draw(start_lines), b"Host: x"]
    match draw(st.sampled_from(["none", "length", "chunked"])):
        case "none":
            body = [b""]
        case "length":
            body = [draw(st.binary(max_size=20))]
            head.append(b"Content-Length: %d" % len(body[0]))
        case _:
            head.append(b"Transfer-Encoding: chunked")
            body = [*draw(st.lists(chunks, max_size=3)), draw(st.sampled_from(LAST_CHUNKS))]
    if rarely(draw, 3):
        wrong(draw, head, body)
    lines = [line + b"\r\n" for line in [*head, b""]]
    if rarely(draw, 8):
        at = draw(st.integers(0, len(lines) - 1))
        lines[at] = lines[at][:-2] + draw(line_ends)
    return b"".join([*lines, *body])


def wrong(draw: st.DrawFn, head: list[bytes], body: list[bytes]) -> None:
    """Changes a request into one with one thing odd in it."""
    match draw(st.sampled_from(["start", "host", "field", "length", "coding", "size", "body"])):
        case "start":
            head[0] = draw(st.sampled_from(ODD_STARTS))
        case "host":
            head[1:2] = draw(st.sampled_from([[], [b"Host: x", b"Host: y"]]))
        case "field":
            head.insert(draw(st.integers(1, len(head))), draw(st.sampled_from(FIELDS)))
        case "length":
            head.insert(draw(st.integers(1, len(head))), draw(lengths))
        case "coding":
            head.insert(draw(st.integers(1, len(head))), draw(codings))
        case "size":
            body.insert(0, draw(st.sampled_from(SIZES)) + b"\r\nhello\r\n")
        case _:
            body[draw(st.integers(0, len(body) - 1))] = draw(st.binary(max_size=20))


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    sent = b"".join(draw(st.lists(requests(), min_size=1, max_size=4)))
    if rarely(draw, 10):
        sent += draw(st.binary(max_size=40))
    if rarely(draw, 6):
        sent = sent[: draw(st.integers(0, len(sent)))]
    cuts = sorted(draw(st.lists(st.integers(0, len(sent)), max_size=3)))
    pieces = tuple(sent[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(sent)], strict=True))
    endless = draw(st.sampled_from(ENDLESS)) if rarely(draw, 12) else b""
    return Stream(pieces, endless, draw(st.sampled_from(["half-close", "half-close", "wait", "wait", "reset"])))


def streams_made(number: int) -> list[Stream]:
    """Yields the same streams in every run."""
    made: list[Stream] = []

    unhurried = settings(deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))

    @settings(unhurried, max_examples=number, derandomize=True)
    @given(streams())
    def make(stream: Stream) -> None:
        made.append(stream)

    make()
    return made


class App:
    """Answers with what it has read: the method, the target, and the length of the body."""

    def __init__(self) -> None:
        self.seen: dict[int, list[bytes]] = defaultdict(list)

    async def __call__(self, scope, receive, send) -> None:
        read = 0
        while scope["raw_path"] != EARLY:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            read += len(message["body"])
            if not message["more_body"]:
                break
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        saw = b"%b %b%b %d" % (scope["method"].encode(), scope["raw_path"], query, read)
        self.seen[scope["client"][1]].append(saw)
        headers = [(b"content-length", b"0"), (b"x-saw", saw)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def answers_in(raw: bytes) -> list[tuple[int, bytes]]:
    """Status and `x-saw` of every answer in what came back. The last one may be cut off by a reset."""
    found = []
    while b"\r\n\r\n" in raw:
        head, _, raw = raw.partition(b"\r\n\r\n")
        status, *lines = head.split(b"\r\n")
        fields = {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines)}
        if (code := int(status.split(b" ")[1])) != 100:
            found.append((code, fields.get(b"x-saw", b"")))
            raw = raw[int(fields[b"content-length"]) :]
    return found


def read_by_another(sent: bytes) -> tuple[list[bytes], bool]:
    """The whole requests that h11 finds, and whether all of it is HTTP to it."""
    found: list[bytes] = []
    server = h11.Connection(h11.SERVER)
    server.receive_data(sent)
    server.receive_data(b"")
    request, read = None, 0
    try:
        while True:
            event = server.next_event()
            match event:
                case h11.Request():
                    request, read = event, 0
                case h11.Data():
                    read += len(event.data)
                case h11.EndOfMessage():
                    target = request.target.removeprefix(b"http://y")
                    found.append(b"%b %b %d" % (request.method, target, 0 if target == EARLY else read))
                case h11.PAUSED:
                    server.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
                    server.send(h11.EndOfMessage())
                    if server.our_state is not h11.DONE:
                        return found, True
                    server.start_next_cycle()
                case _:
                    return found, True
    except h11.ProtocolError:
        return found, False


async def talk(port: int, stream: Stream) -> tuple[int, bytes]:
    """Our port, and everything that came back until the connection was closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    own_port = writer.get_extra_info("sockname")[1]
    reading = asyncio.create_task(reader.read())
    try:
        with contextlib.suppress(OSError):
            for piece in stream.pieces:
                writer.write(piece)
                await writer.drain()
                await time_passes(0.002)  # else the server reads them as one
            while stream.endless and not reading.done():
                writer.write(stream.endless * (8_192 // len(stream.endless)))
                await writer.drain()
                await time_passes(0.001)
            if stream.ending == "half-close":
                writer.write_eof()
        if stream.ending == "reset":
            return own_port, b""
        with contextlib.suppress(OSError):
            return own_port, await reading
        return own_port, b""
    finally:
        reading.cancel()
        writer.transport.abort()


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_whatever_bytes_come_are_answered_below_500_or_hung_up_on_in_time(caplog) -> None:
    app, made, read = App(), streams_made(STREAMS), 0
    before = resident_bytes()
    async with serving(app, http=bounded(BOUNDS), lifespan="off", interface="asgi3", timeout_keep_alive=SECONDS) as url:
        port = urlsplit(url).port or 0
        for together in batched(made, AT_ONCE):
            app.seen.clear()  # ports are reused: data of the port's last connection is not this one's
            good = talk(port, Stream((GOOD,), b"", "wait"))
            async with asyncio.timeout(WAIT_SECONDS):
                *said, (_, answered) = await asyncio.gather(*(talk(port, stream) for stream in together), good)
            assert answers_in(answered) == [(200, b"GET /good 0")]
            for stream, (own_port, raw) in zip(together, said, strict=True):
                seen = app.seen.pop(own_port, [])
                judge(stream, answers_in(raw), seen)
                read += len(seen)
    assert read > STREAMS / 2, "most streams were refused, which proves little"
    assert resident_bytes() - before < MEGABYTES * 1_000_000
    assert [record.getMessage() for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}] == []


def batched(made: list[Stream], size: int) -> Iterator[list[Stream]]:
    for begin in range(0, len(made), size):
        yield made[begin : begin + size]


CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "start", [b"", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nX-A: ", CHUNKED + b"5;", CHUNKED + b"0\r\n"]
)
@pytest.mark.parametrize("endless", [b"a", b"X-A: b\r\n", b";a=b"])
async def test_endless_streams_are_ended_by_their_size(start: bytes, endless: bytes) -> None:
    bounds = Bounds(body_seconds=60, head_seconds=60, goodbye_seconds=SECONDS)
    async with serving(App(), http=bounded(bounds), lifespan="off", interface="asgi3") as url:
        port = urlsplit(url).port or 0
        before = resident_bytes()
        async with asyncio.timeout(WAIT_SECONDS):
            said = await asyncio.gather(*[talk(port, Stream((start,), endless, "wait")) for _ in range(10)])
        assert resident_bytes() - before < MEGABYTES * 1_000_000
    assert all(status in {400, 431} for _, raw in said for status, _ in answers_in(raw))


def judge(stream: Stream, answers: list[tuple[int, bytes]], seen: list[bytes]) -> None:
    assert all(200 <= status < 500 for status, _ in answers), (stream, answers)
    good = [saw for status, saw in answers if status == 200]
    assert [status for status, _ in answers[:-1] if status != 200] == [], ("refused and went on", stream)
    assert good == seen[: len(good)], ("an answer is another request's", stream)
    if stream.endless:
        return
    read, whole = read_by_another(stream.start)
    assert seen[: len(read)] == read[: len(seen)], ("another parser reads other requests", stream)
    if whole and stream.ending != "reset":
        assert len(seen) <= len(read), ("more requests than another parser finds", stream)
