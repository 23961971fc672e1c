"""The outcome of a connection that dies in each phase: ambiguous only after the final dot."""

import pytest

from delivery.outcomes import AccountRefused, Ambiguous, Permanent, ProviderDown, RetryLater, Sent
from email_service.senders.smtp.dialogue import Lost, Phase

HANG_UP, SILENCE = "", None
NOT_SENT = (ProviderDown, RetryLater)


@pytest.mark.parametrize("step", ["greeting", "EHLO", "MAIL", "RCPT", "DATA"])
async def test_a_server_that_dies_before_the_message_has_not_got_it_and_costs_no_attempt(
    server, senders, envelope, step
):
    server.script[step] = [HANG_UP]
    outcome = await senders(server.port).send(envelope())
    assert isinstance(outcome, ProviderDown)
    assert server.messages == []


@pytest.mark.parametrize("step", ["greeting", "EHLO", "MAIL", "RCPT", "DATA"])
async def test_a_server_that_falls_silent_before_the_message_has_not_got_it(server, senders, envelope, step):
    server.script[step] = [SILENCE]
    sender = senders(server.port, smtp_command_seconds=0.2, smtp_connect_seconds=0.2)
    assert isinstance(await sender.send(envelope()), ProviderDown)


async def test_a_server_that_dies_in_the_middle_of_a_long_message_has_not_got_it(server, senders, envelope):
    server.script["BODY"] = [HANG_UP]
    outcome = await senders(server.port).send(envelope(body=b"x\r\n" * 8_000_000))
    assert isinstance(outcome, ProviderDown)
    assert server.steps(1)[-1] == "BODY"


async def test_a_server_that_stops_reading_a_long_message_has_not_got_it_and_is_let_go(server, senders, envelope):
    server.script["BODY"] = [SILENCE]
    connection = await senders.pool(server.port, smtp_final_dot_seconds=0.3).connect()
    transport = connection.dialogue.transport
    long = envelope(body=b"x\r\n" * 8_000_000)
    await connection.begin(long)
    with pytest.raises(Lost) as lost:
        await connection.finish(long)
    assert (lost.value.phase, lost.value.reason) == (Phase.DATA, "smtp_timeout")
    assert transport.is_closing()
    assert transport.get_write_buffer_size() == 0  # nothing waits to be read by a server that does not


async def test_a_long_message_arrives_whole(server, senders, envelope):
    body = b"".join(b"%d %s\r\n" % (line, b"x" * 70) for line in range(50_000))
    assert isinstance(await senders(server.port).send(envelope(body=body)), Sent)
    assert server.messages == [b"Subject: Hi\r\n\r\n" + body + b".\r\n"]


async def test_a_server_that_dies_after_the_final_dot_may_have_taken_it(server, senders, envelope):
    server.script["DOT"] = [HANG_UP]
    assert await senders(server.port).send(envelope()) == Ambiguous("smtp_disconnected", "lost at DOT")
    assert len(server.messages) == 1


async def test_a_server_that_is_silent_after_the_final_dot_may_have_taken_it(server, senders, envelope):
    server.script["DOT"] = [SILENCE]
    outcome = await senders(server.port, smtp_final_dot_seconds=0.2).send(envelope())
    assert outcome == Ambiguous("smtp_timeout", "lost at DOT")


async def test_the_final_dot_has_its_own_patience(server, senders, envelope):
    """The short one, for commands, must not end the wait that makes duplicates."""
    server.script["DOT"] = ["LATE 250 2.0.0 Ok: queued as LATE77"]
    outcome = await senders(server.port, smtp_command_seconds=0.1).send(envelope())
    assert outcome == Sent("LATE77")


@pytest.mark.parametrize("nonsense", ["what?", "354 go on", "150 hm", "999 no"])
async def test_an_answer_to_the_final_dot_that_is_none_decides_nothing(server, senders, envelope, nonsense):
    server.script["DOT"] = [nonsense]
    assert isinstance(await senders(server.port).send(envelope()), Ambiguous)


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
async def test_an_answer_before_the_message_that_is_none_sends_nothing(server, senders, envelope, step):
    server.script[step] = ["what?"]
    assert isinstance(await senders(server.port).send(envelope()), NOT_SENT)
    assert server.messages == []


async def test_a_server_that_dies_after_its_250_has_taken_it(server, senders, envelope, until):
    sender = senders(server.port)
    assert await sender.send(envelope()) == Sent("4F2A77")
    server.drop_all()
    await until(lambda: not server.open)
    assert len(server.messages) == 1


async def test_a_server_that_serves_others_and_hangs_up_on_one_message_costs_that_message_attempts(
    server, senders, envelope
):
    """Else it would come again for ever without spending any."""
    sender = senders(server.port)
    assert isinstance(await sender.send(envelope()), Sent)
    server.script["RCPT"] = [HANG_UP]
    assert await sender.send(envelope()) == RetryLater("smtp_disconnected", "lost at RCPT")


async def test_a_closed_port_means_that_the_provider_is_down(senders, envelope, unused_tcp_port):
    assert await senders(unused_tcp_port).send(envelope()) == ProviderDown("smtp_unreachable", "SMTPConnectError")


async def test_a_host_that_cannot_be_one_is_the_providers_trouble(senders, envelope):
    outcome = await senders(25, smtp_host="mail." + "x" * 70 + ".example").send(envelope())
    assert isinstance(outcome, ProviderDown)
    assert outcome.code == "smtp_unreachable"


@pytest.mark.parametrize(
    ("step", "reply", "expected"),
    [
        ("greeting", "421 4.3.2 busy", ProviderDown("smtp_unavailable", "answered 421")),
        ("greeting", "554 5.7.1 not you", AccountRefused("smtp_unavailable", "answered 554")),
        ("MAIL", "421 4.3.2 closing", ProviderDown("smtp_unavailable", "421 4.3.2 closing")),
        ("MAIL", "530 5.7.0 log in first", AccountRefused("smtp_login", "530 5.7.0 log in first")),
        ("RCPT", "421 4.7.0 slowly", RetryLater("throttled", "421 4.7.0 slowly", of_domain=True)),
        ("RCPT", "550 5.1.1 unknown", Permanent("bounced", "550 5.1.1 unknown", dead_recipient=True)),
        ("DATA", "451 4.3.0 later", RetryLater("deferred", "451 4.3.0 later")),
        ("DOT", "451 4.3.0 later", RetryLater("deferred", "451 4.3.0 later")),
        ("DOT", "554 5.7.1 no", Permanent("rejected", "554 5.7.1 no")),
        ("DOT", "421 4.3.2 closing", RetryLater("throttled", "421 4.3.2 closing", of_domain=True)),
    ],
)
async def test_a_refusal_is_not_sent_and_read_by_the_table(server, senders, envelope, step, reply, expected):
    server.script[step] = [reply]
    assert await senders(server.port).send(envelope()) == expected


async def test_a_servers_odd_bytes_become_text_that_can_be_stored(server, senders, envelope):
    server.script["RCPT"] = ["550 5.1.1 \udcff\udc80 who\0 is <ada@example.com>?"]
    outcome = await senders(server.port).send(envelope())
    assert isinstance(outcome, Permanent)
    assert outcome.detail == "550 5.1.1 ?? who  is <<address>>?"


async def test_lines_that_begin_with_a_dot_are_stuffed(server, senders, envelope):
    await senders(server.port).send(envelope(body=b"first\r\n.\r\n.second\r\n..third\r\n"))
    assert server.messages == [b"Subject: Hi\r\n\r\nfirst\r\n..\r\n..second\r\n...third\r\n.\r\n"]


async def test_one_recipient_a_transaction_and_no_needless_options(server, senders, envelope):
    await senders(server.port).send(envelope())
    assert server.lines == ["EHLO example.org", "MAIL FROM:<sender@example.org>", "RCPT TO:<ada@example.com>", "DATA"]


async def test_a_local_part_beyond_ascii_is_announced(server, senders, envelope):
    await senders(server.port).send(envelope("jürgen@example.com", needs_utf8=True))
    assert server.lines[1:3] == ["MAIL FROM:<sender@example.org> SMTPUTF8", "RCPT TO:<jürgen@example.com>"]


async def test_a_local_part_beyond_ascii_fails_for_good_where_it_cannot_be_said(server, senders, envelope):
    server.script["EHLO"] = ["250 no-extensions"]
    sender = senders(server.port)
    outcome = await sender.send(envelope("jürgen@example.com", needs_utf8=True))
    assert isinstance(outcome, Permanent)
    assert outcome.code == "address_not_supported"
    assert isinstance(await sender.send(envelope()), Sent)
    assert server.connections == 1
