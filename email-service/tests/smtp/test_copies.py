"""One message for several: the recipient decides, a copy that is refused is left out."""

import pytest

from delivery.outcomes import Permanent, ProviderDown, RetryLater, Sent

COPIES = ("bo@example.com", "cy@example.com")
TO = [f"RCPT TO:<{address}>" for address in ("ada@example.com", *COPIES)]


async def test_recipient_and_copies_get_one_message(server, senders, envelope):
    assert await senders(server.port).send(envelope("ada@example.com", *COPIES)) == Sent("4F2A77")
    assert [line for line in server.lines if line.startswith("RCPT")] == TO
    assert len(server.messages) == 1


@pytest.mark.parametrize("reply", ["550 5.1.1 no such user", "450 4.2.0 greylisted", "452 4.5.3 too many"])
@pytest.mark.parametrize("place", [1, 2])
async def test_a_refused_copy_does_not_keep_the_mail_from_the_others(server, senders, envelope, reply, place):
    server.script["RCPT"] = ["250 fine"] * place + [reply]
    sender = senders(server.port)
    assert await sender.send(envelope("ada@example.com", *COPIES)) == Sent("4F2A77")
    assert len(server.messages) == 1
    assert await sender.send(envelope()) == Sent("4F2A77"), "the connection is in step"
    assert server.connections == 1


@pytest.mark.parametrize(
    ("reply", "outcome"), [("550 5.1.1 no such user", Permanent), ("450 4.2.0 greylisted", RetryLater)]
)
async def test_no_address_gets_a_mail_that_the_server_refuses_for_the_recipient(
    server, senders, envelope, reply, outcome
):
    """With pipelining the server has taken the copies by then."""
    server.script["RCPT"] = [reply]
    sender = senders(server.port)
    assert isinstance(await sender.send(envelope("ada@example.com", *COPIES)), outcome)
    assert server.messages == []
    assert "DATA" not in server.steps(1)
    assert await sender.send(envelope()) == Sent("4F2A77")
    steps = server.steps(1)
    assert steps[steps.index("RSET") + 1 :] == ["MAIL", "RCPT", "DATA", "DOT"]


@pytest.mark.parametrize("reply", ["", None, "421 4.3.2 closing"])
async def test_a_connection_that_ends_at_a_copy_has_sent_nothing(server, senders, envelope, reply):
    server.script["RCPT"] = ["250 fine", reply]
    sender = senders(server.port, smtp_command_seconds=0.2)
    assert isinstance(await sender.send(envelope("ada@example.com", *COPIES)), ProviderDown | RetryLater)
    assert server.messages == []


async def test_a_refusal_of_the_message_says_nothing_about_the_recipients_address(server, senders, envelope):
    """It may be about a copy."""
    server.script["DOT"] = ["550 5.1.1 no such user", "550 5.1.1 no such user"]
    sender = senders(server.port)
    with_copies = await sender.send(envelope("ada@example.com", *COPIES))
    alone = await sender.send(envelope())
    assert (with_copies.dead_recipient, alone.dead_recipient) == (False, True)
