"""A provider's certificate needs the word of one of the system's authorities."""

import asyncio
import contextlib
import datetime as dt
import ssl
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from devstack.simulators.run import RunningSimulators
from push_service.senders.apns.http2 import Http2Client
from push_service.senders.http_client import HttpClient, NotSent


@pytest.fixture
def own_word(tmp_path: Path) -> Path:
    """Key and certificate of 127.0.0.1, which vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now, day = dt.datetime.now(dt.UTC), dt.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - day, now + day)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "server.pem"
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    pem.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return pem


class Provider:
    """Answers one request a connection, over TLS."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.url = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.received.append(head + await reader.readexactly(6))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()


@pytest.fixture
async def provider(own_word: Path) -> AsyncIterator[Provider]:
    made = Provider()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own_word)
    async with await asyncio.start_server(made.handle, "127.0.0.1", 0, ssl=context) as server:
        made.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        yield made


async def refusal(provider: Provider) -> str:
    http = HttpClient(timeout_seconds=2, connections=1)
    with pytest.raises(NotSent) as caught:
        await http.post(provider.url, b"a body", {})
    await http.close()
    assert provider.received == []
    return caught.value.reason


async def test_to_a_server_that_no_authority_vouches_for_nothing_is_sent(provider):
    assert await refusal(provider) == "ClientConnectorCertificateError"


async def test_the_environment_names_no_authority(provider, own_word, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(own_word))
    assert await refusal(provider) == "ClientConnectorCertificateError"


async def test_a_server_that_an_authority_of_the_system_vouches_for_is_spoken_to(provider, own_word, monkeypatch):
    system = ssl.get_default_verify_paths()._replace(openssl_cafile=str(own_word))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: system)
    http = HttpClient(timeout_seconds=2, connections=1)
    answer = await http.post(provider.url, b"a body", {})
    await http.close()
    assert (answer.status, answer.content) == (200, b"{}")
    assert provider.received[0].endswith(b"a body")


@contextlib.asynccontextmanager
async def apns_over_tls(simulators: RunningSimulators, own_word: Path, *, speaks: str) -> AsyncIterator[str]:
    """The simulated APNs behind TLS; the value is its URL."""

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                writer.write(data)
        writer.close()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_apns, to_apns = await asyncio.open_connection("127.0.0.1", int(simulators.apns_url.rpartition(":")[2]))
        await asyncio.gather(pass_on(reader, to_apns), pass_on(from_apns, writer))

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own_word)
    context.set_alpn_protocols([speaks])
    async with await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context) as server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def trusting(url: str, own_word: Path) -> Http2Client:
    return Http2Client(url, ssl.create_default_context(cafile=own_word), timeout_seconds=2)


async def test_apns_is_spoken_to_over_tls(simulators, own_word):
    async with apns_over_tls(simulators, own_word, speaks="h2") as url:
        http = trusting(url, own_word)
        answer = await http.post("/3/device/x", b"{}", [])
        await http.close()
    assert (answer.status, answer.content) == (400, b'{"reason": "BadDeviceToken"}')


async def test_a_server_without_http2_is_sent_nothing(simulators, own_word):
    async with apns_over_tls(simulators, own_word, speaks="http/1.1") as url:
        http = trusting(url, own_word)
        with pytest.raises(NotSent) as caught:
            await http.post("/3/device/x", b"{}", [])
    assert caught.value.reason in {"NoHttp2", "SSLError"}
    assert simulators.inbox.pushes.refused == 0


async def test_to_an_apns_that_no_authority_vouches_for_nothing_is_sent(simulators, own_word):
    async with apns_over_tls(simulators, own_word, speaks="h2") as url:
        http = Http2Client(url, ssl.create_default_context(), timeout_seconds=2)
        with pytest.raises(NotSent) as caught:
            await http.post("/3/device/x", b"{}", [])
    assert caught.value.reason == "SSLCertVerificationError"
    assert simulators.inbox.pushes.refused == 0
