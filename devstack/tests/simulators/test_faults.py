import asyncio

import aiosmtplib
import pytest

from devstack.simulators.oauth import PROJECT_ID

MESSAGE = b"Message-ID: <1@example.com>\r\n\r\nHello\r\n"
SEND = f"/v1/projects/{PROJECT_ID}/messages:send"
PUSH = {"message": {"token": "t", "notification": {"title": "Hi"}}}


async def test_a_mail_server_that_is_down_turns_new_connections_away(smtp, faults, inbox):
    faults.smtp = "down"
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=smtp.port, use_tls=False, start_tls=False, timeout=5)
    with pytest.raises(aiosmtplib.SMTPConnectResponseError) as refused:
        await client.connect()
    assert refused.value.code == 421
    assert inbox.emails.refused == 1


async def test_a_mail_server_that_goes_down_leaves_its_connections(mail, faults, inbox):
    await mail.ehlo()
    faults.smtp = "down"
    with pytest.raises(aiosmtplib.SMTPException):
        await mail.sendmail("a@example.com", ["b@example.com"], MESSAGE)
    faults.smtp = None
    assert inbox.emails.total == 0
    await mail.connect()
    await mail.sendmail("a@example.com", ["b@example.com"], MESSAGE)
    assert inbox.emails.total == 1


async def test_a_mail_server_that_goes_down_says_so_at_every_step(mail, smtp, faults, inbox):
    async def mail_from() -> None:
        await mail.mail("a@example.com")

    async def rcpt_to() -> None:
        await mail.rcpt("b@example.com")

    async def data() -> None:
        await mail.data(MESSAGE)

    steps = [mail_from, rcpt_to, data]
    for number, step in enumerate(steps):
        if not mail.is_connected:
            await mail.connect()
        await mail.ehlo()
        for earlier in steps[:number]:
            await earlier()
        faults.smtp = "down"
        with pytest.raises(aiosmtplib.SMTPResponseException) as refused:
            await step()
        assert refused.value.code == 421
        faults.smtp = None
        mail.close()
    assert inbox.emails.total == 0


async def test_a_mail_server_that_stalls_answers_when_the_switch_is_thrown_back(mail, faults, inbox):
    faults.smtp = "stall"
    answer = asyncio.create_task(mail.sendmail("a@example.com", ["b@example.com"], MESSAGE))
    await inbox.emails.wait_for(1)
    assert not answer.done()
    faults.smtp = None
    await asyncio.wait_for(answer, 5)


async def test_closing_does_not_wait_for_stalled_answers(smtp, mail, faults, inbox):
    faults.smtp = "stall"
    answer = asyncio.create_task(mail.sendmail("a@example.com", ["b@example.com"], MESSAGE))
    await inbox.emails.wait_for(1)
    await asyncio.wait_for(smtp.close(), 5)
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await answer


async def test_push_that_is_down_answers_503_everywhere(sender, faults, inbox, grant):
    faults.fcm = "down"
    assert (await sender.post(SEND, json=PUSH)).status_code == 503
    assert (await sender.post("/token", data=grant())).status_code == 503
    assert (inbox.pushes.total, inbox.pushes.refused) == (0, 1)


async def test_push_that_stalls_has_the_message_before_it_answers(sender, faults, inbox):
    faults.fcm = "stall"
    answer = asyncio.create_task(sender.post(SEND, json=PUSH))
    await inbox.pushes.wait_for(1)
    assert not answer.done()
    faults.fcm = None
    assert (await asyncio.wait_for(answer, 5)).status_code == 200


OFF = {"smtp": None, "fcm": None, "web_push": None, "apns": None}


async def test_switches_are_thrown_over_http_one_by_one(http, faults):
    await http.put("/api/faults", json={"smtp": "down"})
    answer = await http.put("/api/faults", json={"fcm": "stall"})
    assert answer.json() == OFF | {"smtp": "down", "fcm": "stall"}
    assert (faults.smtp, faults.fcm) == ("down", "stall")
    await http.put("/api/faults", json={"smtp": None, "fcm": None})
    assert (await http.get("/api/faults")).json() == OFF


@pytest.mark.parametrize("switches", [{"smtp": "on fire"}, {"mail": "down"}])
async def test_a_switch_that_does_not_exist_is_refused(http, faults, switches):
    assert (await http.put("/api/faults", json=switches)).status_code == 422
    assert faults.smtp is None
