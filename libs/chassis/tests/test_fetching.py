"""Files from URLs of strangers: the served bytes, or a reason, and never more than the limit."""

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientTimeout, TCPConnector

from chassis.http import fetching, public_addresses
from chassis.http.fetching import NotFetched, UrlFetcher, read_url
from chassis.http.name_lookups import ThreadPoolResolver
from chassis.http.public_addresses import public_connector
from testkit.eventually import eventually
from testkit.file_server import Answer, FileServer, file_answer, running_file_server
from testkit.servers.certificates import Authority

PDF = b"%PDF-1.7\r\n" + bytes(range(256)) * 400
NAME, PUBLIC, PRIVATE = "files.example", "127.0.0.2", "127.0.0.1"
NOT_PUBLIC = "leads to an address that is not public"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
async def files() -> AsyncIterator[FileServer]:
    async with running_file_server() as made:
        yield made


@pytest.fixture
async def resolver() -> AsyncIterator[ThreadPoolResolver]:
    made = ThreadPoolResolver(2)
    yield made
    await made.close()


@pytest.fixture
def fetch(files: FileServer, resolver: ThreadPoolResolver) -> Callable[..., Any]:
    fetcher = UrlFetcher.of_any(resolver)
    return lambda path, limit=1_000_000: fetcher.fetch(f"http://localhost:{files.port}{path}", max_bytes=limit)


async def reason_of(fetched: Any) -> str:
    with pytest.raises(NotFetched) as raised:
        async with asyncio.timeout(10):
            await fetched
    return raised.value.reason


async def test_a_file_is_fetched_byte_for_byte(files, fetch) -> None:
    files.answers["/a.pdf"] = file_answer(PDF, content_type="Application/PDF")
    assert await fetch("/a.pdf", len(PDF)) == (PDF, "application/pdf")


async def test_a_file_in_chunks_is_one_file(files, fetch) -> None:
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (PDF[:1], PDF[1:70_000], PDF[70_000:]))
    files.answers["/a.pdf"] = Answer(CHUNKED + chunks + b"0\r\n\r\n")
    assert (await fetch("/a.pdf")).content == PDF


async def test_the_url_is_sent_as_it_is_written_and_nothing_about_us(files, fetch) -> None:
    files.answers["/a%2fb%41"] = file_answer(PDF)
    await fetch("/a%2fb%41?X-Sig=a%2Bb%7e+c&&x=~#fragment")
    [head] = files.asked
    assert files.paths == ["/a%2fb%41?X-Sig=a%2Bb%7e+c&&x=~"]
    names = {line.partition(":")[0].lower() for line in head.splitlines()[1:] if line}
    assert names <= {"host", "accept", "accept-encoding", "user-agent", "connection"}
    assert "Accept-Encoding: identity" in head


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (file_answer(b"no", status="404 Not Found"), "was answered with 404"),
        (file_answer(PDF, status="206 Partial Content"), "was answered with 206"),
        (file_answer(b"", "Location: /a.pdf", status="302 Found"), "was answered with 302"),
        (file_answer(PDF, "Content-Encoding: gzip"), "was answered with compressed data"),
        (Answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), "was answered without a length"),
        (Answer(b"HTTP/1.1 200 OK\r\n\r\n" + PDF), "was answered without a length"),
        (Answer(b"HTTP/1.0 200 OK\r\n\r\n" + PDF), "was answered without a length"),
        (Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n0123456789"), "was answered with less than announced"),
        (Answer(CHUNKED + b"a\r\n0123456789\r\n"), "was answered with less than announced"),
        (file_answer(b""), "is empty"),
        (Answer(CHUNKED + b"0\r\n\r\n"), "is empty"),
        (file_answer(bytes(1_000_001)), "is too large"),
        (Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", stalls=True), "is too large"),
        (Answer(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), "is not answered"),
        (Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), "is not answered"),
        (Answer(b"220 mail.example ESMTP\r\n"), "is not answered"),
        (Answer(b""), "is not answered"),
    ],
)  # fmt: skip
async def test_what_is_no_whole_file_is_refused(files, fetch, answer, reason) -> None:
    files.answers |= {"/x": answer, "/a.pdf": file_answer(PDF)}
    assert await reason_of(fetch("/x")) == reason
    assert set(files.paths) == {"/x"}, "and nothing is followed (aiohttp asks again if a connection is closed at once)"
    await eventually(lambda: files.open == 0)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(CHUNKED, endless=b"10000\r\n" + bytes(0x10000) + b"\r\n"), "is too large"),
        (Answer(CHUNKED, endless=b"1\r\nx\r\n" * 10_000), "was answered in too many pieces"),
        (Answer(b"HTTP/1.1 200 OK\r\n", endless=b"X-Filler: " + b"x" * 4_000 + b"\r\n"), "is not answered"),
        (Answer(b"HTTP/1.1 200 OK\r\nX-Filler: ", endless=b"x" * 4_000), "is not answered"),
    ],
)
async def test_an_endless_file_is_not_read_to_its_end(files, fetch, answer, reason) -> None:
    files.answers["/x"] = answer
    assert await reason_of(fetch("/x")) == reason
    await eventually(lambda: files.open == 0)
    assert files.sent < 16_000_000, "what was on its way, and no more"


async def test_a_server_that_falls_silent_is_left(files, fetch, monkeypatch) -> None:
    monkeypatch.setattr(fetching, "TIMEOUT", ClientTimeout(total=None, sock_read=0.2))
    for raw in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n0123456789"):
        files.answers["/x"] = Answer(raw, stalls=True)
        assert await reason_of(fetch("/x")) == "was not answered in time"
        await eventually(lambda: files.open == 0)


async def test_the_callers_deadline_closes_the_connection(files, fetch) -> None:
    files.answers["/x"] = Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n0123456789", stalls=True)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await fetch("/x")
    await eventually(lambda: files.open == 0)


@pytest.mark.parametrize(
    "text",
    [
        "", "example.com/x", "ftp://example.com/x", "file:///etc/passwd", "https://", "https:///x", "https://example.com/a b",
        "https://example.com/\r\nX: y", "https://bücher.example/", "https://user:secret@example.com/",
        "https://user@example.com/", r"https://good.example\@127.0.0.1/", "https://example.com:99999/", "https://[::1/",
        "//example.com/x", "https:example.com",
    ],
)  # fmt: skip
def test_what_is_no_url_is_said_without_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(must|is no) ") as raised:
        read_url(text)
    assert "secret" not in str(raised.value)


# Public addresses alone. 127.0.0.2 takes the place of a public address, so that no test leaves this machine.


class Names:
    """A name server that gives one of `answers` per query, and then repeats the last one."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str, port: int, *_: object) -> list[Any]:
        self.asked.append(host)
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]


@pytest.fixture
def _loopback_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    known = public_addresses.is_public
    monkeypatch.setattr(public_addresses, "is_public", lambda address: address == PUBLIC or known(address))


class Internet:
    """The same port at the public and at the private address, with a certificate for NAME."""

    def __init__(self, public: FileServer, private: FileServer, trusted: ssl.SSLContext) -> None:
        self.public, self.private = public, private
        self._trusted = trusted

    async def fetch(self, names: Names, *, host: str = NAME) -> bytes:
        resolver = ThreadPoolResolver(2, lookup=names)

        def connector() -> TCPConnector:
            made = public_connector(resolver)
            made._ssl = self._trusted
            return made

        try:
            fetcher = UrlFetcher(connector, schemes=frozenset({"https"}))
            fetched = await fetcher.fetch(f"https://{host}:{self.public.port}/a.pdf", max_bytes=len(PDF))
        finally:
            await resolver.close()
        return fetched.content


@pytest.fixture
async def internet(_loopback_is_public: None, tmp_path: Path) -> AsyncIterator[Internet]:
    authority = Authority(tmp_path, "authority")
    served, trusted = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    served.load_cert_chain(*authority.issue(NAME))
    trusted.load_verify_locations(authority.certificate)
    async with AsyncExitStack() as stack:
        public = await stack.enter_async_context(running_file_server(PUBLIC, context=served))
        private = await stack.enter_async_context(running_file_server(PRIVATE, public.port, context=served))
        for one in (public, private):
            one.answers["/a.pdf"] = file_answer(PDF)
        yield Internet(public, private, trusted)


async def test_a_name_is_looked_up_once_and_that_address_is_used(internet: Internet) -> None:
    names = Names([PUBLIC], [PRIVATE])
    assert await internet.fetch(names) == PDF
    assert (names.asked, internet.public.paths) == ([NAME], ["/a.pdf"])
    assert await reason_of(internet.fetch(names)) == NOT_PUBLIC, "the name leads elsewhere by now"
    assert internet.private.asked == []


async def test_one_private_address_of_a_name_is_enough_to_refuse_it(internet: Internet) -> None:
    assert await reason_of(internet.fetch(Names([PUBLIC, PRIVATE]))) == NOT_PUBLIC
    assert internet.public.asked == internet.private.asked == []


async def test_the_certificate_must_be_of_the_name(internet: Internet) -> None:
    assert await reason_of(internet.fetch(Names([PUBLIC]), host="other.example")) == "has no valid certificate"
    assert await reason_of(internet.fetch(Names([PUBLIC]), host=PUBLIC)) == "has no valid certificate"
    assert internet.public.asked == []


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "0.0.0.0", "169.254.169.254", "10.0.0.1", "100.64.0.1", "192.168.1.1", "[::1]", "[::]",
        "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]", "[fe80::1%25lo]", "[fe80::1]", "[fec0::1]", "[fd00:ec2::254]", "2130706433", "0x7f000001",
        "127.1", "0177.0.0.1", "127.0.0.1.", "localhost.",
    ],
)  # fmt: skip
async def test_no_private_address_is_connected_to_however_it_is_written(files, resolver, host) -> None:
    fetcher = UrlFetcher.of_public(resolver)
    reason = await reason_of(fetcher.fetch(f"https://{host}:{files.port}/a.pdf", max_bytes=1_000))
    assert reason in {NOT_PUBLIC, "is no URL that can be fetched", "is not answered"}
    assert (files.asked, files.open) == ([], 0)


async def test_a_url_of_a_public_file_begins_with_https(files, resolver) -> None:
    fetcher = UrlFetcher.of_public(resolver)
    assert await reason_of(fetcher.fetch("http://files.example/a.pdf", max_bytes=1_000)) == "must begin with https://"


async def test_a_slow_name_server_holds_up_no_other_look_up(files) -> None:
    answered = threading.Event()

    def lookup(host: str, *rest: Any) -> list[Any]:
        if host == "slow.example":
            answered.wait(20)
        return list(socket.getaddrinfo(host, *rest))

    resolver = ThreadPoolResolver(2, lookup=lookup)
    fetcher = UrlFetcher.of_any(resolver)
    files.answers["/a.pdf"] = file_answer(PDF)
    stuck = [asyncio.create_task(fetcher.fetch("http://slow.example/", max_bytes=1)) for _ in range(40)]
    try:
        async with asyncio.timeout(5):
            assert await asyncio.get_running_loop().getaddrinfo("localhost", 80)
            await asyncio.to_thread(len, "")
    finally:
        for one in stuck:
            one.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
        answered.set()
    fetched = await fetcher.fetch(f"http://localhost:{files.port}/a.pdf", max_bytes=len(PDF))
    assert fetched.content == PDF, "a look-up without a waiting caller is dropped"
    await resolver.close()
