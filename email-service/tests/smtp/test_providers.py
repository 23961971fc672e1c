"""Several mail servers: how they are configured, how they log in, and that one takes over for another."""

import json
from base64 import b64decode
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import ValidationError

from delivery.channel import NotReady
from delivery.outcomes import AccountRefused
from email_service.senders.smtp.connector import SmtpConnector
from email_service.senders.smtp.dialogue import NoConnection
from email_service.senders.smtp.provider import SmtpProvider
from email_service.settings import EmailSettings

TWO = {"ses": {"host": "ses.example", "user": "us", "password": "p"}, "backup": {"host": "b.example", "order": 2}}


def settings(providers: object, **others: object) -> EmailSettings:
    text = providers if isinstance(providers, str) else json.dumps(providers)
    return EmailSettings(_env_file=None, email_providers=text, from_email="s@example.org", **others)


def test_the_blocks_are_read_from_one_variable(monkeypatch) -> None:
    monkeypatch.setenv("EMAIL_PROVIDERS", json.dumps(TWO))
    found = EmailSettings(_env_file=None).providers
    assert [(name, one.host, one.order) for name, one in found.items()] == [
        ("ses", "ses.example", 1),
        ("backup", "b.example", 2),
    ]
    assert "p" not in repr(found["ses"].password)


def test_without_blocks_the_smtp_settings_are_the_one_provider() -> None:
    [(name, one)] = settings(
        {}, smtp_host="mail.example", smtp_port=25, smtp_user="us", smtp_password="p"
    ).providers.items()
    assert (name, one.host, one.port, one.user, one.password.get_secret_value()) == (
        "smtp",
        "mail.example",
        25,
        "us",
        "p",
    )


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        ("ses", "is not JSON"),
        ('["ses"]', "email_providers"),
        ({"Not A Name": {"host": "a.example"}}, "email_providers"),
        ({"ses": {}}, "email_providers.ses.host"),
        ({"ses": {"host": "smtp://a.example"}}, "email_providers.ses.host"),
        ({"ses": {"host": "a.example", "prot": 25}}, "email_providers.ses.prot"),
        ({"ses": {"host": "a.example", "weight": 0}}, "email_providers.ses.weight"),
        ({"ses": {"host": "a.example", "per_second": -1}}, "email_providers.ses.per_second"),
        (
            {"ses": {"host": "a.example", "user": "u", "password": "p", "oauth": {
                "token_url": "https://a.example/t", "client_id": "c", "refresh_token": "r"}}},
            "a password or oauth",
        ),
        (
            {"ses": {"host": "a.example", "user": "u", "oauth": {
                "token_url": "http://a.example/t", "client_id": "c", "refresh_token": "r"}}},
            "email_providers.ses.oauth.token_url",
        ),
    ],
)  # fmt: skip
def test_a_block_that_cannot_be_used_stops_the_start_and_names_the_place(bad: object, named: str) -> None:
    with pytest.raises(ValidationError, match=named.replace(".", r"\.")) as raised:
        settings(bad)
    assert '"p"' not in str(raised.value)


class Mailbox:
    """An OAuth 2.0 server: `says` has its next answers; `asked` the forms that came."""

    def __init__(self) -> None:
        self.says: list[tuple[int, object]] = []
        self.asked: list[dict[str, str]] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append({name: str(value) for name, value in (await request.post()).items()})
        status, body = self.says.pop(0) if self.says else (200, {"access_token": "tok-1", "expires_in": 3600})
        return web.json_response(body, status=status)


@pytest.fixture
def oauth() -> Mailbox:
    return Mailbox()


@pytest.fixture
async def connector(server, oauth: Mailbox) -> AsyncIterator[SmtpConnector]:
    """With the login XOAUTH2, at a mail server that offers it."""
    app = web.Application()
    app.router.add_post("/token", oauth.answer)
    server.script["EHLO"] = ["250-scripted\r\n250 AUTH XOAUTH2 PLAIN"] * 5
    async with TestServer(app, host="127.0.0.1") as at:
        provider = SmtpProvider.model_validate(
            {
                "host": "127.0.0.1",
                "port": server.port,
                "user": "us@example.org",
                "oauth": {"token_url": str(at.make_url("/token")), "client_id": "id", "refresh_token": "again"},
            }
        )
        made = SmtpConnector(provider, settings({}))
        yield made
        await made.close()


async def test_a_login_by_oauth_asks_once_for_a_token_and_shows_it_to_the_mail_server(connector, server, oauth) -> None:
    server.script["AUTH"] = ["235 2.7.0 ok"] * 2
    for _ in range(2):
        (await connector.connect()).close()
    said = [line.split(" ", 2) for line in server.lines if line.startswith("AUTH")]
    assert [one[1] for one in said] == ["XOAUTH2"] * 2
    assert b64decode(said[0][2]) == b"user=us@example.org\x01auth=Bearer tok-1\x01\x01"
    assert oauth.asked == [
        {"grant_type": "refresh_token", "refresh_token": "again", "client_id": "id", "client_secret": ""}
    ]


async def test_a_token_that_the_mail_server_refuses_is_fetched_anew(connector, server, oauth) -> None:
    server.script["AUTH"] = ["535 5.7.8 expired", "235 2.7.0 ok"]
    with pytest.raises(NoConnection):
        await connector.connect()
    (await connector.connect()).close()
    assert len(oauth.asked) == 2


@pytest.mark.parametrize(
    ("answer", "code", "ours"),
    [
        ((400, {"error": "invalid_grant"}), "credentials_refused", True),
        ((503, {}), "credentials_unavailable", False),
        ((200, {"token": "x"}), "credentials_unavailable", False),
    ],
)
async def test_without_a_token_nothing_is_sent(connector, server, oauth, answer, code, ours) -> None:
    oauth.says = [answer]
    with pytest.raises(NotReady) as none:
        await connector.connect()
    assert none.value.outcome.code == code
    assert isinstance(none.value.outcome, AccountRefused) is ours
    assert not any(line.startswith("AUTH") for line in server.lines)
