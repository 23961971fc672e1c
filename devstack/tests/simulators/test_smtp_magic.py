import asyncio
import time

import aiosmtplib
import pytest

from devstack.simulators.magic import email_magic


def message(number: int) -> bytes:
    return b"Message-ID: <%d@example.com>\r\nSubject: Hi\r\n\r\nHello\r\n" % number


async def send(mail: aiosmtplib.SMTP, recipient: str, number: int = 1) -> int:
    """The code that decided."""
    try:
        await mail.sendmail("a@example.com", [recipient], message(number))
    except aiosmtplib.SMTPRecipientsRefused as error:
        return error.recipients[0].code
    except aiosmtplib.SMTPResponseException as error:
        return error.code
    return 250


async def test_bounce_is_refused_at_rcpt(mail, inbox):
    await mail.ehlo()
    await mail.mail("a@example.com")
    with pytest.raises(aiosmtplib.SMTPRecipientRefused) as refused:
        await mail.rcpt("Bounce+anything@any.example")
    assert refused.value.code == 550
    assert "5.1.1" in refused.value.message
    assert (inbox.emails.total, inbox.emails.refused) == (0, 1)


async def test_reject_data_is_refused_after_the_final_dot(mail, inbox):
    assert await send(mail, "reject-data@example.com") == 554
    assert (inbox.emails.total, inbox.emails.refused) == (0, 1)


async def test_defer_turns_each_message_away_that_many_times(mail, inbox):
    assert [await send(mail, "defer-2@example.com") for _ in range(4)] == [451, 451, 250, 250]
    assert await send(mail, "defer-2@example.com", number=2) == 451
    assert inbox.emails.total == 2


async def test_throttle_closes_the_connection(mail, inbox):
    assert await send(mail, "throttle@example.com") == 421
    assert not mail.is_connected
    assert inbox.emails.total == 0


async def test_throttle_with_a_number_ends_after_that_many_times_for_each_address(mail, inbox):
    answers = []
    for number in range(4):
        answers.append(await send(mail, "throttle-2+a@example.com", number))
        if not mail.is_connected:
            await mail.connect()
    assert answers == [421, 421, 250, 250]
    assert await send(mail, "throttle-2+b@example.com") == 421
    assert inbox.emails.total == 2


async def test_an_account_is_turned_away_that_many_times_for_each_address(mail, inbox):
    answers = [await send(mail, "account-2+a@example.com", number) for number in range(4)]
    assert answers == [550, 550, 250, 250]
    assert await send(mail, "account-2+b@example.com") == 550
    assert inbox.emails.total == 2


async def test_a_busy_server_turns_every_other_recipient_away(mail, inbox):
    answers = [await send(mail, f"busy+{number}@example.com", number) for number in range(4)]
    assert answers == [452, 250, 452, 250]
    assert inbox.emails.total == 2


async def test_drop_takes_the_message_and_dies_before_the_answer_once(mail, inbox):
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await mail.sendmail("a@example.com", ["drop@example.com"], message(1))
    assert inbox.emails.total == 1
    await mail.connect()
    assert await send(mail, "drop@example.com") == 250
    assert [email.message_id for email in inbox.emails] == ["<1@example.com>"] * 2


async def test_stall_has_the_message_before_it_answers(mail, inbox):
    began = time.monotonic()
    answer = asyncio.create_task(send(mail, "stall-2@example.com"))
    await inbox.emails.wait_for(1)
    assert not answer.done()
    assert await answer == 250
    assert time.monotonic() - began >= 2


@pytest.mark.parametrize(
    "address",
    ["ada@example.com", "bouncing@example.com", "my.drop@example.com", "defer@example.com", "stall-@x.example"],
)
def test_other_recipients_are_ordinary(address):
    assert email_magic(address) is None
