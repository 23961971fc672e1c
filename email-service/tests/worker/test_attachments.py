"""Files and copies as they arrive: fetched from the gateway, left out where the address is suppressed."""

import email
from email import policy
from uuid import uuid4

import pytest

from contracts.addresses import fingerprint
from contracts.emails import EmailOptions
from email_service.repositories.suppressions import SuppressedAddress
from testkit.returned_mails import complaint, delivery_report

PDF = b"%PDF-1.7\r\n" + bytes(range(256)) * 2_000
ADA, BO, CY = "ada@example.com", "bo@example.com", "cy@example.com"
BOUNCES = {"bounce_domain": "bounces.example.org"}


def parsed(mail):
    return email.message_from_bytes(mail.raw, policy=policy.SMTPUTF8)


async def test_a_file_and_copies_arrive(world, message, lookups, inbox, until):
    ref = lookups.add_attachment(PDF, "Rechnung \N{EURO SIGN}.pdf", "application/pdf")
    options = EmailOptions(cc=(BO, ADA), bcc=(CY,), reply_to="help@example.com", attachments=(ref,))
    async with world.worker():
        sent = message(lookups.add_user(ADA), email=options)
        await world.publish(sent)
        await until(lambda: "sent" in world.statuses(sent.notification_id))
    assert {mail.recipient for mail in inbox.emails} == {ADA, BO, CY}
    assert {mail.raw for mail in inbox.emails} == {next(iter(inbox.emails)).raw}
    mail = parsed(next(iter(inbox.emails)))
    [file] = mail.iter_attachments()
    assert (file.get_filename(), file.get_payload(decode=True)) == ("Rechnung \N{EURO SIGN}.pdf", PDF)
    assert [one.addr_spec for one in mail["Cc"].addresses] == [BO]
    assert (mail["Bcc"], mail["Reply-To"]) == (None, "help@example.com")


async def test_a_suppressed_copy_is_left_out(world, message, lookups, inbox, until):
    async with world.worker() as app:
        await app.state.suppressions.add(SuppressedAddress(fingerprint(BO), "b***@example.com", "bounced"))
        sent = message(lookups.add_user(ADA), email=EmailOptions(cc=(BO,), bcc=(CY,)))
        await world.publish(sent)
        await until(lambda: "sent" in world.statuses(sent.notification_id))
    assert [mail.recipient for mail in inbox.emails] == [ADA, CY]
    assert parsed(next(iter(inbox.emails)))["Cc"] is None


async def test_a_suppressed_recipient_keeps_the_mail_from_all(world, message, lookups, inbox, until):
    async with world.worker() as app:
        await app.state.suppressions.add(SuppressedAddress(fingerprint(ADA), "a***@example.com", "bounced"))
        sent = message(lookups.add_user(ADA), email=EmailOptions(cc=(BO,)))
        await world.publish(sent)
        await until(lambda: "suppressed" in world.statuses(sent.notification_id))
    assert inbox.emails.total == 0


async def test_while_the_gateway_is_down_a_mail_waits_and_spends_no_attempt(world, message, lookups, inbox, until):
    lookups.gateway_down = True
    ref = lookups.add_attachment(PDF, "a.pdf", "application/pdf")
    async with world.worker(down_retry_seconds=0.1):
        sent = message(lookups.add_user(ADA), email=EmailOptions(attachments=(ref,)))
        other = message(lookups.add_user(BO))
        await world.publish(sent, other)
        await until(lambda: "sent" in world.statuses(other.notification_id), 10)
        await until(lambda: "retrying" in world.statuses(sent.notification_id))
        assert world.last(sent.notification_id).code == "attachment_unavailable"
        lookups.gateway_down = False
        await until(lambda: "sent" in world.statuses(sent.notification_id), 30)
    assert world.last(sent.notification_id).attempts == 1
    assert inbox.emails.total == 2


async def test_a_file_that_is_gone_ends_the_notification(world, message, lookups, inbox, until):
    ref = lookups.add_attachment(PDF, "a.pdf", "application/pdf")
    lookups.attachments.clear()
    async with world.worker():
        sent = message(lookups.add_user(ADA), email=EmailOptions(attachments=(ref,)))
        await world.publish(sent)
        await until(lambda: "failed" in world.statuses(sent.notification_id))
    assert world.last(sent.notification_id).code == "attachment_gone"
    assert inbox.emails.total == 0


async def test_the_same_file_of_many_is_fetched_once_and_little_is_held(world, message, lookups, inbox, until):
    refs = [lookups.add_attachment(PDF, "terms.pdf", "application/pdf") for _ in range(20)]
    async with world.worker(attachment_memory_bytes=len(PDF) + 1):
        for ref in refs:
            user = lookups.add_user(f"{uuid4().hex}@example.com")
            await world.publish(message(user, email=EmailOptions(attachments=(ref,))))
        await until(lambda: inbox.emails.total == len(refs), 20)
    assert sum("attachments" in path for path in lookups.asked) == 1


async def test_a_test_keys_mail_fetches_nothing(world, message, lookups, inbox, until):
    ref = lookups.add_attachment(PDF, "a.pdf", "application/pdf")
    async with world.worker():
        sent = message(lookups.add_user(ADA), email=EmailOptions(cc=(BO,), attachments=(ref,)), test=True)
        await world.publish(sent)
        await until(lambda: "sent" in world.statuses(sent.notification_id))
    assert inbox.emails.total == 0
    assert not any("attachments" in path for path in lookups.asked)


@pytest.mark.parametrize("complained", [False, True])
async def test_a_bounce_of_a_copy_does_not_concern_the_recipient(world, message, lookups, inbox, until, complained):
    async with world.worker(**BOUNCES) as app:
        sent = message(lookups.add_user(ADA), email=EmailOptions(cc=(BO,)))
        await world.publish(sent)
        await until(lambda: "sent" in world.statuses(sent.notification_id))
        path = next(iter(inbox.emails)).envelope_from
        report = complaint(BO, path) if complained else delivery_report(BO)
        report = report.replace(b"To: Ada <bo@example.com>", b"To: Ada <ada@example.com>")
        assert await app.state.bounces.process(report, arrived_at=path) == "unmatched"
        assert await app.state.suppressions.get(fingerprint(ADA)) is None
        assert await app.state.bounces.process(delivery_report(ADA), arrived_at=path) == "hard"
        assert await app.state.suppressions.get(fingerprint(ADA)) is not None
