"""TLS where it is due, and a password that is never said where others can hear it."""

import asyncio
import contextlib
import datetime as dt
import hmac
import ipaddress
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from secrets import token_urlsafe

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

from chassis.security.service_keys import ServiceKey
from delivery.outcomes import AccountRefused, ProviderDown
from email_service.senders.smtp.connector import SmtpConnector
from email_service.senders.smtp.dialogue import NoConnection
from email_service.senders.smtp.provider import SmtpProvider
from email_service.settings import EmailSettings
from testkit.eventually import eventually

KEY = ServiceKey("email-service", token_urlsafe(32))


@pytest.fixture(scope="session")
def certificate(tmp_path_factory) -> str:
    """A file with a self-signed certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return str(path)


@dataclass
class TlsServer:
    """Offers STARTTLS, and login only after it."""

    port: int = 0
    logins: list[bytes] = field(default_factory=list)

    def authenticate(self, _server, _session, _envelope, _mechanism, data: object) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append(data.login)
        return AuthResult(success=data.password == b"right", handled=False)


class _Nobody:
    async def handle_DATA(self, _server, _session, _envelope) -> str:  # noqa: N802
        return "250 OK"


@pytest.fixture
async def offering(certificate) -> AsyncIterator[TlsServer]:
    server = TlsServer()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    sessions: list[SMTP] = []

    def session() -> SMTP:
        loop = asyncio.get_running_loop()
        sessions.append(SMTP(_Nobody(), tls_context=context, authenticator=server.authenticate, loop=loop))
        return sessions[-1]

    listening = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    yield server
    listening.close()
    for one in sessions:
        if one.transport is not None:
            with contextlib.suppress(AttributeError):  # Python 3.11.2: aborting a TLS transport that was closed twice
                one.transport.abort()
    await eventually(lambda: all(one.transport is None for one in sessions), 5)  # they end when they have noticed


@pytest.fixture
def trusting(certificate) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate)


def settings(port: int, **others: object) -> EmailSettings:
    given = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_connect_seconds": 3, "from_email": "s@example.org"}
    return EmailSettings(_env_file=None, **(given | others))


def connector_of(given: EmailSettings) -> SmtpConnector:
    return SmtpConnector(given.providers["smtp"], given)


def production(port: int, **others: object) -> EmailSettings:
    own = {
        "service_private_key": KEY.private,
        "service_public_keys": {KEY.public: KEY.service},
        "metrics_token": token_urlsafe(32),
        "database_url": "postgresql://service:of-the-database@db.example/service",
        "rabbitmq_url": "amqp://service:of-the-broker@mq.example/",
    }
    return settings(port, environment="production", **own, **others)


async def outcome(connector: SmtpConnector) -> ProviderDown:
    with pytest.raises(NoConnection) as none:
        await connector.connect()
    return none.value.outcome


async def reason(connector: SmtpConnector) -> str:
    return (await outcome(connector)).code


@pytest.mark.parametrize("mode", ["auto", "starttls"])
async def test_tls_is_used_where_it_is_offered(offering, trusting, mode):
    given = settings(offering.port, smtp_tls=mode, smtp_user="us", smtp_password="right")
    connection = await SmtpConnector(given.providers["smtp"], given, tls_context=trusting).connect()
    assert connection.usable
    assert offering.logins == [b"us"]
    connection.close()


@pytest.mark.parametrize(
    ("offered", "said"), [("LOGIN PLAIN CRAM-MD5", "CRAM-MD5"), ("LOGIN PLAIN", "PLAIN"), ("LOGIN", "LOGIN")]
)
async def test_the_login_is_the_best_that_the_server_offers(server, offered, said):
    server.script["EHLO"] = [f"250-scripted\r\n250 AUTH {offered}"]
    challenge = b64encode(b"<1@scripted>").decode()
    answers = {
        "CRAM-MD5": ([f"334 {challenge}", "235 ok"], "us " + hmac.new(b"right", b"<1@scripted>", "md5").hexdigest()),
        "PLAIN": (["235 ok"], "\0us\0right"),
        "LOGIN": (["334 UGFzc3dvcmQ6", "235 ok"], "right"),
    }
    replies, proof = answers[said]
    server.script["AUTH"], rest = replies[:1], replies[1:]
    encoded = b64encode(proof.encode()).decode()
    server.script[encoded.upper()] = rest
    (await connector_of(settings(server.port, smtp_user="us", smtp_password="right")).connect()).close()
    [first] = [line for line in server.lines if line.startswith("AUTH")]
    assert first.split()[1] == said
    assert encoded in (first.split()[-1], *server.lines)


async def test_an_untrusted_certificate_is_refused(offering):
    given = settings(offering.port, smtp_tls="starttls", smtp_user="us", smtp_password="right")
    assert await reason(connector_of(given)) == "smtp_tls"
    assert offering.logins == []


async def test_a_wrong_password_is_our_trouble_and_no_messages(offering, trusting):
    given = settings(offering.port, smtp_user="us", smtp_password="wrong")
    assert await outcome(SmtpConnector(given.providers["smtp"], given, tls_context=trusting)) == AccountRefused(
        "smtp_login", "answered 535"
    )


async def test_starttls_is_insisted_on_when_it_is_asked_for(server):
    assert await reason(connector_of(settings(server.port, smtp_tls="starttls"))) == "smtp_tls"


async def test_implicit_tls_does_not_talk_to_a_server_without(server):
    given = settings(server.port, smtp_tls="implicit", smtp_connect_seconds=0.5)
    assert await reason(connector_of(given)) in {"smtp_tls", "smtp_unreachable"}
    assert "MAIL" not in server.steps(1)


class Distant(SmtpProvider):
    """A test's server can only be on this host."""

    @property
    def is_this_host(self) -> bool:
        return False


async def test_in_production_a_distant_server_must_offer_tls_and_this_host_need_not(server):
    given = production(server.port)
    (await connector_of(given).connect()).close()
    distant = Distant(host="127.0.0.1", port=server.port)
    assert await reason(SmtpConnector(distant, given)) == "smtp_tls"


async def test_in_production_a_password_is_not_said_without_tls(server):
    server.script["EHLO"] = ["250-scripted\r\n250 AUTH PLAIN LOGIN"]
    given = production(server.port, smtp_user="us", smtp_password="right")
    assert await reason(connector_of(given)) == "smtp_login"
    assert not any(line.startswith("AUTH") for line in server.lines)


def test_in_production_a_password_without_tls_stops_the_start():
    with pytest.raises(ValidationError, match="SMTP_TLS"):
        production(25, smtp_user="us", smtp_password="right", smtp_tls="none")


@pytest.mark.parametrize("host", ["mail.example", "192.0.2.1"])
def test_in_production_mail_in_the_clear_to_another_host_stops_the_start(host):
    with pytest.raises(ValidationError, match=r"SMTP_TLS.*SMTP_HOST"):
        production(25, smtp_host=host, smtp_tls="none")
    assert production(25, smtp_host="localhost", smtp_tls="none").production
    assert settings(25, smtp_host=host, smtp_tls="none").smtp_tls == "none"


@pytest.mark.parametrize("bad", ["", "a@b.c, v@e.f", "Ada <a@b.c>", "jürgen@example.org"])
def test_a_sender_that_is_not_one_plain_address_stops_the_start(bad):
    with pytest.raises(ValidationError, match="from_email"):
        settings(25, from_email=bad)


@pytest.mark.parametrize(
    ("host", "ours"),
    [("localhost", True), ("127.0.0.1", True), ("::1", True), ("127.8.9.1", True), ("smtp.example.com", False)],
)
def test_only_this_host_is_this_host(host, ours):
    assert SmtpProvider(host=host).is_this_host is ours


async def test_the_server_is_greeted_by_a_name_of_ours(server):
    (await connector_of(settings(server.port)).connect()).close()
    (await connector_of(settings(server.port, smtp_ehlo_name="mail.example.net")).connect()).close()
    assert [line for line in server.lines if line.startswith("EHLO")] == ["EHLO example.org", "EHLO mail.example.net"]
