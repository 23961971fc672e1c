"""Webhooks of providers at a running worker: each event counts once, whenever it comes, and only for what it is about."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from uuid import UUID, uuid4

import httpx2
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from chassis.postgres.database import Database
from contracts.addresses import fingerprint
from contracts.emails import EmailOptions
from contracts.messages import StatusEvent
from contracts.recipients import EmailRecipient
from devstack.simulators.mail_accounts import MailgunAccount, Posted, PostmarkServer, SendGridAccount
from email_service.repositories import webhooks as repository
from testkit.eventually import eventually

ADA = "ada@example.com"
POSTMARK, MAILGUN, SENDGRID = PostmarkServer(), MailgunAccount(), SendGridAccount()
CONFIGURED = {
    "postmark_webhook_password": SecretStr(POSTMARK.password),
    "mailgun_webhook_signing_key": SecretStr(MAILGUN.key),
    "sendgrid_webhook_public_key": SENDGRID.shown_key,
    "bounce_domain": "bounces.example.org",
}


@dataclass
class WebhookWorker:
    """A worker whose providers have webhooks, and the mails that it has sent."""

    world: object
    app: object
    http: httpx2.AsyncClient
    inbox: object
    lookups: object
    message: object

    async def send(self, address: str = ADA, **others: object) -> UUID:
        before = self.inbox.emails.total
        user = self.lookups.add_user(address)
        sent = self.message(user, recipient=EmailRecipient(name="Ada", email=address), **others)
        await self.world.publish(sent)
        await eventually(
            lambda: self.inbox.emails.total > before and "sent" in self.world.statuses(sent.notification_id)
        )
        return sent.notification_id

    async def post(self, provider: str, posted: Posted) -> httpx2.Response:
        return await self.http.post(f"/api/v1/webhooks/{provider}", content=posted.body, headers=posted.headers)

    async def posts(self, event: Mapping[str, object]) -> None:
        """By Postmark, in the form of this file."""
        answer = await self.post("postmark", POSTMARK.posts(event))
        assert answer.json()["data"] == {"events": 1}, answer.text

    async def event(self, notification_id: UUID, status: str) -> StatusEvent:
        await eventually(lambda: status in self.world.statuses(notification_id))
        return self.world.last(notification_id)

    async def reason(self, address: str = ADA) -> tuple[str, str] | None:
        found = await self.app.state.suppressions.get(fingerprint(address))
        return None if found is None else (found.reason, found.origin)

    def counted(self, result: str, provider: str = "postmark") -> float:
        labels = {"provider": provider, "result": result}
        return self.app.state.metrics.get_sample_value("webhook_events_total", labels)


def delivery(notification_id: UUID | None, address: str = ADA, **others: object) -> dict[str, object]:
    metadata = {} if notification_id is None else {"notification-id": str(notification_id)}
    return {"RecordType": "Delivery", "MessageID": str(uuid4()), "Recipient": address, "Metadata": metadata, **others}


def bounce(notification_id: UUID | None, address: str = ADA, kind: str = "HardBounce") -> dict[str, object]:
    common = delivery(notification_id, address, RecordType="Bounce", Type=kind, ID=uuid4().int >> 80, Email=address)
    return {**common, "Details": "smtp;550 5.1.1 no such user"}


@pytest.fixture
async def hooked(world, message, lookups, inbox) -> AsyncIterator[WebhookWorker]:
    async with world.worker(**CONFIGURED) as app, world.http(app) as http:
        yield WebhookWorker(world, app, http, inbox, lookups, message)


async def test_a_confirmed_delivery_is_reported_after_it_was_sent_with_what_the_report_of_that_says(hooked):
    identity = await hooked.send("delivered@example.com")
    await hooked.posts(delivery(identity, "delivered@example.com"))
    event = await hooked.event(identity, "delivered")
    sent = next(one for one in hooked.world.events if one.notification_id == identity and one.status == "sent")
    assert (event.code, event.attempts, event.provider) == (None, 1, "smtp")
    assert event.provider_message_id == sent.provider_message_id
    assert event.sent_at is not None
    assert hooked.counted("delivered") == 1


async def test_a_hard_bounce_fails_the_notification_and_suppresses_the_address(hooked):
    identity = await hooked.send()
    await hooked.posts(bounce(identity))
    event = await hooked.event(identity, "failed")
    assert (event.code, event.detail) == ("bounced", "5.1.1")
    assert await hooked.reason() == ("bounced", "bounce")
    assert hooked.app.state.metrics.get_sample_value("bounces_total", {"result": "hard"}) == 1


async def test_a_copy_that_bounces_is_suppressed_and_the_recipient_has_the_mail(hooked):
    copy = "bo@example.com"
    identity = await hooked.send(email=EmailOptions(cc=(copy,)))
    await hooked.posts(bounce(identity, copy))
    assert await hooked.reason(copy) == ("bounced", "bounce")
    await hooked.posts(delivery(identity))
    await hooked.event(identity, "delivered")
    assert "failed" not in hooked.world.statuses(identity)
    assert await hooked.reason() is None


async def test_a_complaint_suppresses_the_address(hooked):
    identity = await hooked.send()
    await hooked.posts(bounce(identity, kind="SpamComplaint"))
    assert (await hooked.event(identity, "delivered")).code == "complained"
    assert await hooked.reason() == ("complained", "complaint")


async def test_an_address_of_an_internationalised_domain_is_known_in_the_form_that_providers_write(hooked):
    shown, written = "ada@b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example.com", "Ada@xn--bcher-kva.example.com"
    identity = await hooked.send(shown)
    await hooked.posts(bounce(identity, written))
    assert (await hooked.event(identity, "failed")).code == "bounced"
    assert await hooked.reason(shown) == ("bounced", "bounce")


@pytest.mark.parametrize("field", ["Email", "MessageID", "ID", "Details", "Type", "RecordType"])
async def test_an_event_with_a_nul_in_it_is_read(hooked, field):
    identity = await hooked.send()
    event = bounce(identity)
    await hooked.posts({**event, field: f"{event[field]}\0"})
    await hooked.posts({**event, "MessageID": "\0", "Metadata": {"notification-id": "\0"}, "Email": "\0@\0"})
    await hooked.event(identity, "failed")


async def test_a_soft_bounce_fails_the_notification_alone(hooked):
    identity = await hooked.send()
    await hooked.posts(bounce(identity, kind="SoftBounce"))
    assert (await hooked.event(identity, "failed")).code == "bounced"
    assert await hooked.reason() is None


async def test_each_provider_finds_the_notification(hooked):
    by_message_id, by_return_path = await hooked.send(), await hooked.send("bo@example.com")
    event = {
        "event": "bounce",
        "type": "bounce",
        "email": ADA,
        "sg_event_id": "a",
        "smtp-id": f"<{by_message_id}@x.org>",
    }
    assert (await hooked.post("sendgrid", SENDGRID.posts(event))).status_code == 200
    path = next(hooked.inbox.emails.newest_first()).envelope_from
    failed = {"event": "failed", "severity": "permanent", "reason": "bounce", "recipient": "bo@example.com"}
    posted = MAILGUN.posts({**failed, "id": "m", "timestamp": 1.5, "envelope": {"sender": path}})
    assert (await hooked.post("mailgun", posted)).status_code == 200
    for identity, address in ((by_message_id, ADA), (by_return_path, "bo@example.com")):
        assert (await hooked.event(identity, "failed")).code == "bounced"
        assert await hooked.reason(address) == ("bounced", "bounce")


async def test_the_provider_s_own_id_leads_to_the_notification_when_nothing_else_does(hooked):
    identity = await hooked.send("delivered@example.com")
    provider_id = hooked.world.last(identity).provider_message_id
    assert UUID(provider_id)
    await hooked.posts(delivery(None, "delivered@example.com", MessageID=provider_id))
    await hooked.event(identity, "delivered")
    await hooked.posts(delivery(None, MessageID=f"<{identity}@example.org>"))
    assert hooked.counted("unmatched") == 1


async def test_a_repeated_event_changes_nothing_even_after_the_address_was_allowed_again(hooked):
    identity = await hooked.send()
    event = bounce(identity)
    await asyncio.gather(*(hooked.posts(event) for _ in range(5)))
    await hooked.event(identity, "failed")
    await hooked.app.state.suppressions.remove(fingerprint(ADA))
    await hooked.posts(event)
    assert await hooked.reason() is None
    assert (hooked.counted("hard"), hooked.counted("repeated")) == (1, 5)
    other = await hooked.send("bo@example.com")
    await hooked.posts(delivery(other, "bo@example.com"))
    await hooked.event(other, "delivered")
    assert hooked.world.statuses(identity).count("failed") == 1


async def test_an_event_that_comes_before_the_result_is_reported_after_it(hooked):
    identity, other = await hooked.send(), await hooked.send("bo@example.com")
    database = Database(hooked.world.settings.database_url)
    change = text("UPDATE email_deliveries SET state = :state WHERE notification_id = :id")
    async with database.begin() as connection:
        await connection.execute(change, {"state": "sending", "id": identity})
    await hooked.posts(delivery(identity))
    await hooked.posts(delivery(other, "bo@example.com"))
    await hooked.event(other, "delivered")
    assert "delivered" not in hooked.world.statuses(identity)
    async with database.begin() as connection:
        await connection.execute(change, {"state": "sent", "id": identity})
    await hooked.event(identity, "delivered")
    await database.close()


DROPPED = "drop@example.com"


@pytest.mark.parametrize(
    ("report", "statuses"),
    [
        (lambda identity: delivery(identity, DROPPED), ["sent", "delivered"]),
        (lambda identity: bounce(identity, DROPPED, "SoftBounce"), ["sent", "failed"]),
        (lambda identity: bounce(identity, DROPPED, "HardBounce"), ["sent", "failed"]),
        (lambda identity: bounce(identity, DROPPED, "SpamComplaint"), ["sent", "delivered"]),
        (lambda identity: bounce(identity, DROPPED, "Transient"), ["sent"]),
    ],
)
async def test_a_mail_whose_answer_was_lost_is_not_sent_again_when_its_provider_reports_anything_about_it(
    world, message, lookups, inbox, report, statuses
):
    """It ends at once, although its next attempt would be in ten minutes."""
    async with world.worker(**CONFIGURED, retry_base_seconds=600.0) as app, world.http(app) as http:
        worker = WebhookWorker(world, app, http, inbox, lookups, message)
        sent = message(lookups.add_user(DROPPED), recipient=EmailRecipient(name="Ada", email=DROPPED))
        await world.publish(sent)
        identity = sent.notification_id
        assert (await worker.event(identity, "retrying")).code == "smtp_disconnected"
        await worker.posts(report(identity))
        event = await worker.event(identity, statuses[-1])
        if statuses[-1] == "delivered" and event.code is None:
            assert (event.provider, event.attempts, event.sent_at is not None) == ("smtp", 1, True)
        assert world.statuses(identity) == ["retrying", *statuses]
        assert inbox.emails.total == 1


async def test_an_event_of_a_deleted_notification_only_suppresses_the_address(hooked):
    forgotten = uuid4()
    await hooked.posts(bounce(forgotten))
    await hooked.posts(delivery(forgotten))
    assert await hooked.reason() == ("bounced", "bounce")
    identity = await hooked.send("bo@example.com")
    await hooked.posts(delivery(identity, "bo@example.com"))
    await hooked.event(identity, "delivered")
    assert hooked.world.statuses(forgotten) == []


async def test_a_return_path_of_another_address_suppresses_no_address(hooked):
    await hooked.send()
    path = next(hooked.inbox.emails.newest_first()).envelope_from
    failed = {"event": "failed", "severity": "permanent", "reason": "bounce", "recipient": "victim@example.com"}
    posted = MAILGUN.posts({**failed, "id": "m", "timestamp": 1.5, "envelope": {"sender": path}})
    assert (await hooked.post("mailgun", posted)).status_code == 200
    assert await hooked.reason("victim@example.com") is None


async def test_a_token_of_mailgun_s_is_good_for_one_body(hooked):
    identity, token = await hooked.send(), "a" * 50
    good = MAILGUN.posts({"event": "delivered", "id": "m", "recipient": ADA}, token=token)
    assert [(await hooked.post("mailgun", good)).status_code for _ in range(2)] == [200, 200]
    forged = MAILGUN.posts({"event": "complained", "id": "n", "recipient": ADA, "message": {"headers": {
        "message-id": f"{identity}@example.org"}}}, token=token)  # fmt: skip
    refused = await hooked.post("mailgun", forged)
    assert (refused.status_code, refused.json()["error"]) == (403, "signature_refused")
    assert await hooked.reason() is None
    assert [hooked.counted(result, "mailgun") for result in ("unmatched", "repeated", "reused", "refused")] == [
        1, 1, 1, 0,
    ]  # fmt: skip


async def test_a_request_from_another_sender_changes_nothing(hooked):
    identity = await hooked.send()
    forged = {"RecordType": "SpamComplaint", "Email": ADA, "Metadata": {"notification-id": str(identity)}}
    refused = await hooked.post("postmark", PostmarkServer().posts(forged))
    assert (refused.status_code, refused.json()["error"]) == (401, "login_refused")
    assert refused.headers["www-authenticate"].startswith("Basic")
    assert (await hooked.post("sendgrid", Posted(b"[]", {}))).status_code == 403
    assert (await hooked.post("mailgun", Posted(b"{}", {}))).status_code == 403
    for unknown in ("ses", "nobody", "%00"):
        assert (await hooked.post(unknown, POSTMARK.posts(forged))).status_code == 404
    unreadable = await hooked.post("postmark", Posted(b"[", POSTMARK.posts({}).headers))
    assert (unreadable.status_code, unreadable.json()["data"]["errors"][0]["field"]) == (422, "body")
    assert await hooked.reason() is None
    assert [hooked.counted(result) for result in ("refused", "unreadable", "complained")] == [1, 1, 0]
    assert (hooked.counted("refused", "sendgrid"), hooked.counted("refused", "mailgun")) == (1, 1)
    assert (hooked.counted("unconfigured", "ses"), hooked.counted("unconfigured", "nobody")) == (1, None)


async def test_a_request_that_was_signed_long_ago_is_counted_as_outdated(hooked):
    old = MAILGUN.posts({"event": "delivered", "id": "m", "recipient": ADA}, at=time.time() - 26 * 3_600)
    refused = await hooked.post("mailgun", old)
    assert (refused.status_code, refused.json()["error"]) == (403, "signature_refused")
    assert [hooked.counted(result, "mailgun") for result in ("outdated", "refused")] == [1, 0]


async def test_an_event_that_is_not_about_a_delivery_is_only_counted(hooked):
    for event in ({"RecordType": "Open"}, {"RecordType": "Bounce", "Type": "AutoResponder"}, {}):
        await hooked.posts(event)
    assert hooked.counted("ignored") == 3


async def test_mails_carry_the_header_that_postmark_echoes_only_where_it_is_configured(
    hooked, world, message, lookups, inbox
):
    identity = await hooked.send()
    assert ("X-PM-Metadata-notification-id", str(identity)) in next(inbox.emails.newest_first()).headers
    async with world.worker() as app, world.http(app) as http:
        other = WebhookWorker(world, app, http, inbox, lookups, message)
        answer = await other.post("postmark", POSTMARK.posts(delivery(identity)))
        assert answer.status_code == 404


async def test_events_are_forgotten_when_every_request_about_them_is_too_old(world):
    database = Database(world.settings.database_url)
    async with world.worker(), database.begin() as connection:
        assert await repository.remember(connection, "old") == "new"
        assert await repository.remember(connection, "old") == "repeated"
        assert await repository.remember(connection, "old", "another body") == "other"
        assert await repository.remove(connection, remembered_seconds=60, days=1, limit=10) == 0
        await connection.execute(text("UPDATE email_webhook_events SET created_at = now() - interval '2 minutes'"))
        assert await repository.remove(connection, remembered_seconds=60, days=1, limit=10) == 1
    await database.close()
