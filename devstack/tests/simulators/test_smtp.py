import asyncio

import aiosmtplib
import pytest

from devstack.simulators.smtp import SIZE_LIMIT

MESSAGE = b"From: a@example.com\r\nTo: b@example.com\r\nMessage-ID: <1@example.com>\r\nSubject: Hi\r\n\r\nHello\r\n"


async def test_a_taken_message_is_in_the_inbox_as_it_was_sent(mail, inbox):
    await mail.sendmail("bounces+1@example.com", ["b@example.com"], MESSAGE)
    [email] = inbox.emails
    assert (email.envelope_from, email.recipient) == ("bounces+1@example.com", "b@example.com")
    assert email.raw == MESSAGE
    assert email.size == len(MESSAGE)


async def test_every_recipient_of_a_message_gets_a_copy(mail, inbox):
    await mail.sendmail("a@example.com", ["b@example.com", "c@example.com"], MESSAGE)
    assert [email.recipient for email in inbox.emails] == ["b@example.com", "c@example.com"]


@pytest.mark.parametrize(
    "body", [b".\r\n", b".dot\r\n..two\r\nends.\r\n.\r\n", b"no dots\r\n", b"a sentence.\r\nanother.\r\n"]
)
async def test_dots_at_the_start_of_a_line_survive(mail, inbox, body):
    await mail.sendmail("a@example.com", ["b@example.com"], MESSAGE + body)
    [email] = inbox.emails
    assert email.raw == MESSAGE + body


async def test_a_message_that_begins_with_a_dot_or_is_empty_ends_at_the_final_dot(mail, inbox):
    for raw in (b".first line\r\n", b""):
        await mail.mail("a@example.com")
        await mail.rcpt("b@example.com")
        await asyncio.wait_for(mail.data(raw), 5)
    assert [email.raw.strip() for email in inbox.emails] == [b".first line", b""]


async def test_a_line_longer_than_smtp_allows_is_refused(mail, inbox):
    with pytest.raises(aiosmtplib.SMTPDataError) as refused:
        await mail.sendmail("a@example.com", ["b@example.com"], MESSAGE + b"x" * 999 + b"\r\n")
    assert refused.value.code == 500
    await mail.sendmail("a@example.com", ["b@example.com"], MESSAGE + b"x" * 998 + b"\r\n")
    assert inbox.emails.total == 1


async def test_a_message_over_the_size_limit_is_refused_and_the_connection_stays_usable(mail, inbox):
    await mail.mail("a@example.com")  # sendmail would announce the size and be refused there
    await mail.rcpt("b@example.com")
    with pytest.raises(aiosmtplib.SMTPDataError) as refused:
        await mail.data(MESSAGE + (b"x" * 98 + b"\r\n") * (SIZE_LIMIT // 100 + 1))
    assert refused.value.code == 552
    await mail.sendmail("a@example.com", ["b@example.com"], MESSAGE)
    assert inbox.emails.total == 1


async def test_addresses_beyond_ascii_are_taken_with_smtputf8(mail, inbox):
    await mail.sendmail("a@example.com", ["jürgen@example.com"], MESSAGE, mail_options=["SMTPUTF8"])
    [email] = inbox.emails
    assert email.recipient == "jürgen@example.com"


async def test_commands_out_of_order_are_refused(mail):
    await mail.ehlo()
    with pytest.raises(aiosmtplib.SMTPDataError) as refused:
        await mail.data(MESSAGE)
    assert refused.value.code == 503


async def test_closing_drops_open_connections(smtp, mail):
    await mail.ehlo()
    await asyncio.wait_for(smtp.close(), 5)
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await mail.noop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", smtp.port)
