"""What cannot be delivered ends visibly, and says why."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from chassis.broker import Publication
from contracts.messages import TemplateRef


async def test_a_dead_mailbox_fails_at_once_and_is_not_written_to_again(world, message, lookups, inbox, until):
    user = lookups.add_user("bounce@example.com")
    first, second = message(user), message(user)
    async with world.worker():
        await world.publish(first)
        await until(lambda: world.failed)
        await world.publish(second)
        await until(lambda: world.statuses(second.notification_id))
    event = world.last(first.notification_id)
    assert (event.status, event.code, event.attempts) == ("failed", "bounced", 1)
    assert "@" not in (event.detail or "")
    event = world.last(second.notification_id)
    assert (event.status, event.code, event.attempts) == ("suppressed", "address_suppressed", 0)
    assert inbox.emails.refused == 1


@pytest.mark.parametrize("body", [b"{", b"{}", b"\xff\xfe", b'{"version": 2}'])
async def test_a_poison_message_goes_to_the_failed_queue_and_affects_no_other(
    world, message, lookups, inbox, until, body
):
    sent = message(lookups.add_user("ada@example.com"))
    async with world.worker():
        await world.broker.publish_many([Publication("email", body, "poison")])
        await world.publish(sent)
        await until(lambda: world.statuses(sent.notification_id) == ["sent"] and world.failed)
    assert world.failed == [body]


async def test_a_push_recipient_in_the_email_queue_fails_and_is_seen(world, message, lookups, until):
    lost = message(lookups.add_user("ada@example.com"), recipient={"name": "Ada", "push_tokens": [{"token": "t"}]})
    async with world.worker(user_service_url="http://127.0.0.1:1"):
        await world.publish(lost)
        await until(lambda: world.failed)
    assert (world.last(lost.notification_id).status, world.last(lost.notification_id).code) == (
        "failed",
        "invalid_address",
    )


@pytest.mark.parametrize(
    ("change", "end"),
    [
        ({"variables": {}}, ("failed", "render_failed")),
        ({"template": TemplateRef(code="gone", version=1, language="en")}, ("failed", "template_gone")),
        ({"expires_at": datetime.now(UTC) - timedelta(seconds=1)}, ("expired", "expired")),
    ],
)
async def test_a_mail_that_cannot_be_sent_ends_with_a_reason(world, message, lookups, until, change, end):
    sent = message(lookups.add_user("ada@example.com"), **change)
    async with world.worker():
        await world.publish(sent)
        await until(lambda: world.statuses(sent.notification_id))
    assert (world.last(sent.notification_id).status, world.last(sent.notification_id).code) == end


async def test_a_user_who_is_gone_is_not_written_to(world, message, inbox, until):
    sent = message(uuid4())
    async with world.worker():
        await world.publish(sent)
        await until(lambda: world.statuses(sent.notification_id) == ["suppressed"])
    assert inbox.emails.total == 0


async def test_a_users_choice_counts_at_the_time_of_sending(world, message, lookups, inbox, until):
    sent = message(lookups.add_user("ada@example.com", wants_email=False))
    async with world.worker():
        await world.publish(sent)
        await until(lambda: world.statuses(sent.notification_id) == ["suppressed"])
    assert inbox.emails.total == 0


async def test_an_address_that_is_two_is_not_written_to(world, message, lookups, inbox, until):
    sent = message(lookups.add_user("a@b.c, v@e.f"))
    async with world.worker():
        await world.publish(sent)
        await until(lambda: world.failed)
    assert world.last(sent.notification_id).code == "invalid_address"
    assert inbox.emails.total == 0
