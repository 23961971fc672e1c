"""What the engine may rely on."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from chassis.postgres.database import Database
from chassis.security import Sender
from contracts.addresses import fingerprint, parse_mailbox
from contracts.messages import NotificationMessage, TemplateRef
from contracts.recipients import EmailRecipient
from delivery.channel import DeliveryContext, Target
from delivery.outcomes import AccountRefused, Permanent, RetryLater, Sent
from email_service.attachments import AttachmentStore, ByteLimit
from email_service.channel import EmailChannel
from email_service.dkim.keys import DkimKeys
from email_service.dkim.signing import DkimSigner
from email_service.mails import MailWriter
from email_service.mime import MessageBuilder
from email_service.senders.smtp.sender import SmtpSender
from email_service.suppression import SuppressionList
from templating import RenderedEmail

SENDER = parse_mailbox("sender@example.org")
ADA = EmailRecipient(name="Ada", email="Ada@Example.com")
CONTENT = RenderedEmail("Hi", "<p>Hi</p>", "Hi")


@pytest.fixture
def channel(senders, server) -> EmailChannel:
    nowhere = Database("postgresql+asyncpg://nobody@127.0.0.1:1/nothing")
    writer = MailWriter(MessageBuilder(SENDER, ""), DkimSigner(DkimKeys(), default_domain=SENDER.domain))
    return EmailChannel(
        writer=writer,
        senders={"smtp": SmtpSender(senders.pool(server.port))},
        suppressed=SuppressionList(nowhere),
        database=nowhere,
        attachments=AttachmentStore(None, budget=ByteLimit(1)),  # no mail here has any
    )


def notification() -> NotificationMessage:
    return NotificationMessage(
        notification_id=uuid4(),
        request_id="r",
        correlation_id="c",
        notification_type="email",
        user_id=uuid4(),
        template=TemplateRef(code="t", version=1, language="en"),
        variables={},
        recipient=ADA,
        priority=5,
        created_at=datetime.now(UTC),
    )


def test_the_ledgers_key_hides_the_address_and_is_the_same_every_time(channel):
    [target] = channel.targets(ADA)
    [again] = channel.targets(EmailRecipient(name="Somebody", email="ada@example.com"))
    assert target.key == again.key == fingerprint("ada@example.com")[:32]
    assert (target.name, target.address, target.fingerprint) == (
        "Ada",
        "Ada@Example.com",
        fingerprint("ada@example.com"),
    )


async def test_what_the_server_calls_the_message_is_kept(channel):
    [target] = channel.targets(ADA)
    assert await (await channel.open_session("smtp")).send(CONTENT, target, DeliveryContext(uuid4(), "c", 5)) == Sent(
        "4F2A77"
    )


async def test_a_server_that_names_nothing_leaves_our_own_message_id(channel, server):
    server.script["DOT"] = ["250 OK"]
    [target] = channel.targets(ADA)
    context = DeliveryContext(uuid4(), "c", 5)
    assert await (await channel.open_session("smtp")).send(CONTENT, target, context) == Sent(
        f"<{context.notification_id}@example.org>"
    )


async def test_an_invalid_address_never_reaches_the_server(channel, server):
    outcome = await (await channel.open_session("smtp")).send(
        CONTENT, Target("k", "Ada", "a@b.c, v@e.f"), DeliveryContext(uuid4(), "c", 5)
    )
    assert outcome == Permanent("invalid_address", "not one address")
    assert "MAIL" not in server.steps(1)


async def test_a_sender_that_is_no_address_fails_what_would_go_in_its_name(channel, server):
    [target] = channel.targets(ADA)
    context = DeliveryContext(uuid4(), "c", 5, sender=Sender(from_email="a@b.c, v@e.f"))
    assert await (await channel.open_session("smtp")).send(CONTENT, target, context) == Permanent(
        "invalid_sender", "not one address"
    )
    assert "MAIL" not in server.steps(1)


@pytest.mark.parametrize("reply", ["554 Message rejected: Email address is not verified.", "550 5.7.26 DMARC failed"])
async def test_an_applications_address_that_is_turned_away_is_not_held_against_others(channel, server, reply):
    [target] = channel.targets(ADA)
    for sender, affects_all in (
        (Sender("Orders", "orders@example.com"), False),
        (Sender("Orders"), True),
        (None, True),
    ):
        server.script["DOT"] = [reply]
        outcome = await (await channel.open_session("smtp")).send(
            CONTENT, target, DeliveryContext(uuid4(), "c", 5, sender=sender)
        )
        assert isinstance(outcome, AccountRefused)
        assert outcome.affects_all is affects_all


async def test_a_bounce_that_cannot_be_remembered_stops_nothing(channel):
    """The notification has failed all the same; raising would bring its message back for nothing."""
    [target] = channel.targets(ADA)
    await channel.act_on_outcome(notification(), target, Permanent("bounced", dead_recipient=True), age_seconds=0)
    await channel.act_on_outcome(notification(), target, RetryLater("deferred"), age_seconds=0)


async def test_a_connection_that_was_not_needed_serves_the_next(channel, server, senders):
    for _ in range(2):
        session = await channel.open_session("smtp")
        session.close()
        session.close()
    [target] = channel.targets(ADA)
    session = await channel.open_session("smtp")
    assert await session.send(CONTENT, target, DeliveryContext(uuid4(), "c", 5)) == Sent("4F2A77")
    session.close()
    assert server.connections == 1
    [pool] = senders.made
    idle = pool.take_idle()
    assert idle is not None
    assert pool.take_idle() is None, "it came back once"
    idle.close()
