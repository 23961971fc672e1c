"""The simulated provider reports what became of a mail, in Postmark's form or another, to the URL that it was given."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import aiosmtplib
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from devstack.serving import serving
from devstack.simulators.mail_accounts import MailAccounts, SnsTopic
from devstack.simulators.smtp import SmtpSimulator
from devstack.simulators.store import Inbox
from devstack.simulators.webhooks import Webhooks
from testkit.eventually import eventually

MESSAGE = (
    b"Message-ID: <1@example.com>\r\nX-PM-Metadata-notification-id: 0197\r\nSubject: Hi\r\n\r\nX-PM-Metadata-a: b\r\n"
)

ACCOUNTS = replace(MailAccounts.of_secret(b"s" * 32), ses=SnsTopic())


@dataclass
class Receiver:
    """Refuses the first `refusals` requests."""

    events: list[Any] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    logins: set[str] = field(default_factory=set)
    refusals: int = 0
    held: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: Request) -> Response:
        await self.held.wait()
        if self.refusals:
            self.refusals -= 1
            return Response(status_code=503)
        self.logins.add(request.headers.get("authorization", ""))
        self.paths.append(request.url.path)
        self.events.append(json.loads(await request.body()))
        return Response()


@pytest.fixture
async def receiver() -> Receiver:
    made = Receiver()
    made.held.set()
    return made


@pytest.fixture
async def mail(receiver: Receiver) -> AsyncIterator[aiosmtplib.SMTP]:
    app = Starlette(routes=[Route("/webhooks/{provider}", receiver.take, methods=["POST"])])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://postmark:secret@127.0.0.1:{listener.getsockname()[1]}/webhooks/postmark"
        simulator = SmtpSimulator(Inbox(), webhooks=Webhooks(url, ACCOUNTS))
        async with serving(app, listener, lifespan="off", grace_seconds=1):
            await simulator.start()
            async with aiosmtplib.SMTP(hostname="127.0.0.1", port=simulator.port, start_tls=False) as client:
                yield client
            await simulator.close()


@pytest.mark.parametrize(
    ("word", "reported"),
    [
        ("delivered", [("Delivery", None)]),
        ("bounced", [("Bounce", "HardBounce")]),
        ("full", [("Bounce", "SoftBounce")]),
        ("complaint", [("Delivery", None), ("SpamComplaint", "SpamComplaint")]),
    ],
)
async def test_each_recipient_is_reported_as_its_name_says(mail, receiver, word, reported):
    address = f"{word}+tag@example.com"
    _, answer = await mail.sendmail("a@example.com", [address], MESSAGE)
    await eventually(lambda: len(receiver.events) == len(reported))
    assert [(event["RecordType"], event.get("Type")) for event in receiver.events] == reported
    for event in receiver.events:
        assert event["Metadata"] == {"notification-id": "0197"}
        assert event.get("Email", event.get("Recipient")) == address
        assert event["MessageID"] in answer, "the id of the SMTP answer"
    assert receiver.logins == {"Basic cG9zdG1hcms6c2VjcmV0"}


async def test_deferred_is_turned_away_once_and_then_delivered(mail, receiver):
    with pytest.raises(aiosmtplib.SMTPDataError) as later:
        await mail.sendmail("a@example.com", ["deferred@example.com"], MESSAGE)
    assert (later.value.code, receiver.events) == (451, [])
    await mail.sendmail("a@example.com", ["deferred@example.com"], MESSAGE)
    await eventually(lambda: len(receiver.events) == 1)


async def test_early_is_reported_before_it_is_answered(mail, receiver):
    receiver.held.clear()
    sending = asyncio.create_task(mail.sendmail("a@example.com", ["early@example.com"], MESSAGE))
    done, _ = await asyncio.wait([sending], timeout=0.3)
    assert not done
    receiver.held.set()
    await sending
    assert len(receiver.events) == 1


async def test_slow_is_answered_late_and_reported_then(mail, receiver):
    sending = asyncio.create_task(mail.sendmail("a@example.com", ["slow@example.com"], MESSAGE))
    done, _ = await asyncio.wait([sending], timeout=0.3)
    assert (done, receiver.events) == (set(), [])
    await sending
    await eventually(lambda: len(receiver.events) == 1)


async def test_a_refused_report_is_repeated_and_ordinary_mail_is_not_reported(mail, receiver):
    receiver.refusals = 2
    await mail.sendmail("a@example.com", ["ada@example.com"], MESSAGE)
    await mail.sendmail("a@example.com", ["delivered@example.com"], MESSAGE)
    await eventually(lambda: len(receiver.events) == 1)
    assert receiver.refusals == 0


@pytest.mark.parametrize(
    ("tag", "provider"),
    [
        ("ses", "ses"),
        ("SendGrid-7", "sendgrid"),
        ("mailgun+x", "mailgun"),
        ("sessions", "postmark"),
        ("tag", "postmark"),
    ],
)
async def test_the_part_after_the_plus_chooses_whose_form_it_is(mail, receiver, tag, provider):
    await mail.sendmail("a@example.com", [f"bounced+{tag}@example.com"], MESSAGE)
    await eventually(lambda: len(receiver.events) == 1)
    assert receiver.paths == [f"/webhooks/{provider}"]
    assert receiver.logins == {"Basic cG9zdG1hcms6c2VjcmV0" if provider == "postmark" else ""}


async def test_what_the_provider_was_told_about_a_mail_comes_back(mail, receiver):
    told = (
        b"X-PM-Tag: receipt\r\nX-PM-Message-Stream: broadcast\r\nX-SES-CONFIGURATION-SET: news\r\n"
        b"X-SES-MESSAGE-TAGS: tag=receipt,\r\n campaign=spring\r\nX-Mailgun-Tag: receipt\r\n"
        b'X-Mailgun-Variables: {"campaign": "spring"}\r\n'
        b'X-SMTPAPI: {"category": ["receipt"],\r\n "unique_args": {"campaign": "spring"}}\r\n'
    )
    for tag in ("", "+ses", "+sendgrid", "+mailgun"):
        await mail.sendmail("a@example.com", [f"delivered{tag}@example.com"], told + MESSAGE)
    await eventually(lambda: len(receiver.events) == 4)
    by_provider = dict(zip([path.rpartition("/")[2] for path in receiver.paths], receiver.events, strict=True))
    assert (by_provider["postmark"]["Tag"], by_provider["postmark"]["MessageStream"]) == ("receipt", "broadcast")
    [event] = by_provider["sendgrid"]
    assert (event["category"], event["campaign"]) == (["receipt"], "spring")
    data = by_provider["mailgun"]["event-data"]
    assert (data["tags"], data["user-variables"]) == (["receipt"], {"campaign": "spring"})
    tags = json.loads(by_provider["ses"]["Message"])["mail"]["tags"]
    assert tags == {"tag": ["receipt"], "campaign": ["spring"], "ses:configuration-set": ["news"]}
