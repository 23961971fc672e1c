"""Mails that come back: the notification fails, the address is suppressed, and bounces cannot be forged."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

import aiosmtplib
import pytest
from sqlalchemy import text

from chassis.observability.metrics import new_registry
from chassis.postgres.database import Database
from chassis.security import ServiceTokens
from chassis.security.data_keys import DataKeys
from chassis.security.service_keys import development_key
from contracts.addresses import fingerprint
from contracts.messages import StatusEvent
from contracts.recipients import EmailRecipient
from contracts.services import API_GATEWAY, EMAIL_SERVICE
from email_service.bounces.listener import MAX_CONNECTIONS, BounceListener
from email_service.bounces.processing import BounceProcessor
from email_service.bounces.recording import SOFT_BOUNCES, BounceRecorder
from email_service.bounces.return_path import ReturnPath
from testkit.eventually import eventually
from testkit.returned_mails import complaint, delivery_report
from testkit.servers.process import free_port

ADA = "ada@example.com"
OLD = EmailRecipient(name="Old Name", email="old@example.com")


@dataclass
class Bouncing:
    """A worker with a return path, and the mails that it has sent."""

    world: object
    app: object
    inbox: object
    lookups: object
    user: UUID
    message: object

    @property
    def processor(self) -> BounceProcessor:
        return self.app.state.bounces

    async def send(self, recipient: EmailRecipient = OLD) -> tuple[UUID, str]:
        """A notification that was sent, and the return path that its mail left with. `recipient`: whom the message names."""
        before, sent = self.inbox.emails.total, self.message(self.user, recipient=recipient)
        await self.world.publish(sent)
        await eventually(
            lambda: self.inbox.emails.total > before and "sent" in self.world.statuses(sent.notification_id)
        )
        return sent.notification_id, next(self.inbox.emails.newest_first()).envelope_from

    async def send_elsewhere(self) -> tuple[UUID, str]:
        self.user = self.lookups.add_user("bo@example.com")
        return await self.send()

    async def reported(self, notification_id: UUID, status: str) -> StatusEvent:
        await eventually(lambda: status in self.world.statuses(notification_id))
        return self.world.last(notification_id)

    async def reason(self, address: str = ADA) -> tuple[str, str] | None:
        found = await self.app.state.suppressions.get(fingerprint(address))
        return None if found is None else (found.reason, found.origin)

    def counted(self, result: str) -> float:
        return self.app.state.metrics.get_sample_value("bounces_total", {"result": result})


@asynccontextmanager
async def running(world, message, lookups, inbox, **changed) -> AsyncIterator[Bouncing]:
    async with world.worker(bounce_domain="bounces.example.org", **changed) as app:
        yield Bouncing(world, app, inbox, lookups, lookups.add_user(ADA), message)


@pytest.fixture
async def bouncing(world, message, lookups, inbox) -> AsyncIterator[Bouncing]:
    async with running(world, message, lookups, inbox) as made:
        yield made


async def test_a_hard_bounce_fails_the_notification_and_suppresses_the_address_at_once(bouncing):
    identity, path = await bouncing.send()
    assert await bouncing.processor.process(delivery_report(ADA), arrived_at=path) == "hard"
    event = await bouncing.reported(identity, "failed")
    assert (event.code, event.detail, event.sent_at is not None) == ("bounced", "5.1.1", True)
    assert await bouncing.reason() == ("bounced", "bounce")
    assert (await bouncing.app.state.suppressions.get(fingerprint(ADA))).notification_id == identity
    late = bouncing.message(bouncing.user)
    await bouncing.world.publish(late)
    await bouncing.reported(late.notification_id, "suppressed")


async def test_its_repetition_changes_nothing(bouncing):
    identity, path = await bouncing.send()
    for _ in range(3):
        await bouncing.processor.process(delivery_report(ADA), arrived_at=path)
    await bouncing.reported(identity, "failed")
    another, another_path = await bouncing.send_elsewhere()
    await bouncing.processor.process(delivery_report("bo@example.com"), arrived_at=another_path)
    await bouncing.reported(another, "failed")
    assert bouncing.world.statuses(identity).count("failed") == 1


async def test_a_complaint_proves_the_delivery_and_suppresses_the_address(bouncing):
    identity, path = await bouncing.send()
    assert (
        await bouncing.processor.process(complaint(ADA, path), arrived_at="complaints@bounces.example.org")
        == "complained"
    )
    assert (await bouncing.reported(identity, "delivered")).code == "complained"
    assert await bouncing.reason() == ("complained", "complaint")


async def test_soft_bounces_suppress_after_five_in_a_row_and_each_mail_counts_once(bouncing):
    full = delivery_report(ADA, status="5.2.2", said="552 5.2.2 mailbox full")
    for number in range(SOFT_BOUNCES):
        assert await bouncing.reason() is None, number
        identity, path = await bouncing.send()
        for _ in range(2):
            assert await bouncing.processor.process(full, arrived_at=path) == "soft"
        await bouncing.reported(identity, "failed")
    assert await bouncing.reason() == ("bounced", "bounce")


async def test_a_delivered_mail_ends_the_row_of_soft_bounces(bouncing):
    for number in range(SOFT_BOUNCES + 1):
        _, path = await bouncing.send()
        if number == 1:
            report = delivery_report(ADA, action="delivered", status="2.1.5")
            assert await bouncing.processor.process(report, arrived_at=path) == "delivered"
        else:
            await bouncing.processor.process(delivery_report(ADA, status="4.4.7", said=""), arrived_at=path)
    assert await bouncing.reason() is None


@pytest.mark.parametrize(
    ("mail", "result"),
    [
        (delivery_report(ADA, action="delayed", status="4.4.1"), "delayed"),
        (b"Auto-Submitted: auto-replied\n\nada@example.com is away", "auto_reply"),
        (b"Subject: Hi\n\nThank you!", "unrecognised"),
        (b"Subject: x\n\n" + b"\n" * 100_000, "unreadable"),
    ],
)
async def test_a_mail_that_is_no_bounce_changes_nothing_and_is_counted(bouncing, mail, result):
    identity, path = await bouncing.send()
    assert await bouncing.processor.process(mail, arrived_at=path) == result
    assert bouncing.counted(result) == 1
    assert bouncing.world.statuses(identity) == ["sent"]
    assert await bouncing.reason() is None


async def test_a_mail_whose_answer_was_lost_is_not_sent_again_when_a_server_reports_that_it_goes_on_trying(
    world, message, lookups, inbox
):
    address = "drop@example.com"
    async with running(world, message, lookups, inbox, retry_base_seconds=600.0) as bouncing:
        sent = message(lookups.add_user(address), recipient=EmailRecipient(name="Ada", email=address))
        await world.publish(sent)
        await bouncing.reported(sent.notification_id, "retrying")
        path = next(inbox.emails.newest_first()).envelope_from
        delayed = delivery_report(address, action="delayed", status="4.4.1")
        assert await bouncing.processor.process(delayed, arrived_at=path) == "delayed"
        await bouncing.reported(sent.notification_id, "sent")
        assert (world.statuses(sent.notification_id), inbox.emails.total) == (["retrying", "sent"], 1)


async def test_a_bounce_cannot_be_forged(bouncing):
    """Not for a notification whose return path one has not seen, nor for another address than it went to."""
    identity, path = await bouncing.send()
    forged = path.replace("+", "+a")[:-1]
    report = delivery_report(ADA, message_id=identity)
    for address in ("", "bounces@bounces.example.org", forged):
        assert await bouncing.processor.process(report, arrived_at=address) == "unmatched"
    assert await bouncing.processor.process(delivery_report("victim@example.com"), arrived_at=path) == "hard"
    await bouncing.reported(identity, "failed")
    assert await bouncing.reason() is None
    assert await bouncing.reason("victim@example.com") is None


async def test_a_bearer_may_do_without_a_return_path_but_not_name_another_address(bouncing):
    identity, _ = await bouncing.send(EmailRecipient(name="Ada", email=ADA))
    victim = delivery_report("victim@example.com", message_id=identity)
    assert await bouncing.processor.process(victim, trusted=True) == "unmatched"
    assert await bouncing.processor.process(delivery_report(ADA, message_id=identity), trusted=True) == "hard"
    await bouncing.reported(identity, "failed")
    assert await bouncing.reason() == ("bounced", "bounce")


async def test_a_bounce_of_a_mail_that_the_ledger_has_forgotten_still_suppresses_the_address(bouncing):
    long_ago = bouncing.world.settings.model_copy(update={"bounce_domain": "bounces.example.org"}).return_path
    path = long_ago.address(uuid4(), fingerprint(ADA))
    assert await bouncing.processor.process(delivery_report(ADA), arrived_at=path) == "hard"
    assert await bouncing.reason() == ("bounced", "bounce")


async def test_a_bounce_that_overtakes_the_result_is_reported_after_it(bouncing):
    identity, path = await bouncing.send()
    database = Database(bouncing.world.settings.database_url)
    change = text("UPDATE email_deliveries SET state = :state WHERE notification_id = :id")
    async with database.begin() as connection:
        await connection.execute(change, {"state": "sending", "id": identity})
    await bouncing.processor.process(delivery_report(ADA), arrived_at=path)
    other, other_path = await bouncing.send_elsewhere()
    await bouncing.processor.process(delivery_report("bo@example.com"), arrived_at=other_path)
    await bouncing.reported(other, "failed")
    assert "failed" not in bouncing.world.statuses(identity)
    async with database.begin() as connection:
        await connection.execute(change, {"state": "sent", "id": identity})
    await bouncing.reported(identity, "failed")
    await database.close()


async def test_the_port_takes_returned_mail_only(world, message, lookups, inbox):
    port = free_port()
    async with running(world, message, lookups, inbox, host="127.0.0.1", bounce_smtp_port=port) as bouncing:
        identity, path = await bouncing.send()
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False)
        async with client:
            with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
                await client.sendmail("", ["somebody@example.net"], b"Subject: spam\r\n\r\nspam")
            with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
                await client.sendmail("", ["bounces+" + "a" * 55 + "@bounces.example.org"], b"x")
            await client.sendmail("", [path], delivery_report(ADA))
            with pytest.raises(aiosmtplib.SMTPResponseException) as large:
                await client.sendmail("", [path], b"x\r\n" * 500_000)
            assert large.value.code == 552
        await bouncing.reported(identity, "failed")
        async with asyncio.timeout(5), client:
            await client.execute_command(b"LHLO", b"mx.example.org")


async def test_only_the_gateway_may_pass_a_mail_on(bouncing):
    identity, path = await bouncing.send()
    async with bouncing.world.http(bouncing.app) as http:
        mail = delivery_report(ADA, to=path)
        assert (await http.post("/internal/bounces", content=mail)).status_code == 401
        http.headers["Authorization"] = f"Bearer {ServiceTokens(development_key(API_GATEWAY)).issue(EMAIL_SERVICE)}"
        answer = await http.post("/internal/bounces", content=mail)
        assert answer.json()["data"] == {"result": "hard"}
    await bouncing.reported(identity, "failed")


PATH = ReturnPath("bounces.example.org", b"a key of the service")


@pytest.fixture
async def listener() -> AsyncIterator[BounceListener]:
    """Its database is down."""
    database = Database("postgresql+asyncpg://nobody@127.0.0.1:1/nothing")
    processor = BounceProcessor(database, BounceRecorder(DataKeys(), new_registry()), PATH)
    made = BounceListener(processor, PATH, host="127.0.0.1", port=0)
    await made.start()
    yield made
    await made.close()
    await database.close()


async def test_the_port_says_later_while_the_database_is_down(listener):
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=listener.port, start_tls=False) as client:
        with pytest.raises(aiosmtplib.SMTPResponseException) as later:
            await client.sendmail("", [PATH.address(uuid4(), fingerprint(ADA))], delivery_report(ADA))
    assert later.value.code == 451


async def test_the_port_refuses_more_than_its_limit_of_connections(listener):
    open_ones = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(MAX_CONNECTIONS + 1)]
    greetings = [await reader.readline() for reader, _ in open_ones]
    assert sum(greeting.startswith(b"220") for greeting in greetings) == MAX_CONNECTIONS
    assert greetings[-1].startswith(b"421")
    for _, writer in open_ones:
        writer.close()
