"""Each notification is in the mailbox once, whatever the mail server does."""

from datetime import UTC, datetime, timedelta

import pytest

from chassis.broker import Publication
from chassis.security import Sender
from contracts.messages import NotificationMessage, TemplateRef
from contracts.topology import queues_of
from testkit.eventually import time_passes


async def test_a_notification_arrives_in_the_mailbox_and_is_reported_sent(world, message, lookups, inbox, until):
    sent = message(lookups.add_user("ada@example.com"))
    async with world.worker():
        await world.publish(sent)
        [email] = await inbox.emails.wait_for(1)
        await until(lambda: world.statuses(sent.notification_id) == ["sent"])
    assert (email.recipient, email.envelope_from) == ("ada@example.com", "sender@example.org")
    assert (email.subject, email.html, email.text) == ("Welcome, Ada", "<p>Hello Ada!</p>", "Hello Ada!")
    assert email.to_header == "Ada Lovelace <ada@example.com>"
    assert email.message_id == f"<{sent.notification_id}@example.org>"
    assert ("X-Correlation-ID", sent.correlation_id) in email.headers
    event = world.last(sent.notification_id)
    assert (event.attempts, event.correlation_id, event.provider_message_id) == (
        1,
        sent.correlation_id,
        email.message_id,
    )
    assert world.failed == []


async def test_a_mail_in_an_applications_name_bounces_to_us_and_keeps_the_name_when_it_is_tried_again(
    world, message, lookups, inbox, until
):
    sender = Sender("Orders", "orders@example.com", "help@example.net")
    sent = message(lookups.add_user("defer-1@example.com"), sender=sender)
    async with world.worker():
        await world.publish(sent)
        await until(lambda: world.statuses(sent.notification_id) == ["retrying", "sent"])
    [email] = inbox.emails
    assert (email.envelope_from, email.message_id) == ("sender@example.org", f"<{sent.notification_id}@example.org>")
    headers = dict(email.headers)
    assert (headers["From"], headers["Reply-To"]) == ("Orders <orders@example.com>", "<help@example.net>")


@pytest.mark.parametrize("fixed", [False, True])
async def test_a_mail_with_a_purpose_is_bulk_and_only_a_users_has_a_link(world, message, lookups, inbox, until, fixed):
    lookups.add_template("news", subject="News", html="<p>News</p>", purpose="newsletter")
    template = TemplateRef(code="news", version=1, language="en")
    sent = message(lookups.add_user("old@example.com"), template=template, fixed_recipient=fixed)
    async with world.worker(public_url="https://notify.example.com"):
        await world.publish(sent)
        await until(lambda: world.statuses(sent.notification_id) == ["sent"])
    [email] = inbox.emails
    headers = dict(email.headers)
    assert (headers["Precedence"], headers["Auto-Submitted"]) == ("bulk", "auto-generated")
    assert ("List-Unsubscribe" in headers, "List-Unsubscribe-Post" in headers) == (not fixed, not fixed)


async def test_an_urgent_one_is_taken_from_the_queue_where_older_gateways_put_it(world, message, lookups, until):
    sent = message(lookups.add_user("ada@example.com"), priority=10)
    async with world.worker():
        body = sent.model_dump_json().encode()
        await world.broker.publish_many([Publication("email", body, str(sent.notification_id), priority=10)])
        await until(lambda: world.statuses(sent.notification_id) == ["sent"])


async def test_the_same_message_twice_is_one_mail(world, message, lookups, inbox, until):
    sent = message(lookups.add_user("ada@example.com"))
    async with world.worker():
        await world.publish(sent, sent)
        await until(lambda: world.statuses(sent.notification_id) == ["sent"])
        await world.publish(sent)
        await until(lambda: world.statuses(sent.notification_id) == ["sent", "sent"])  # said again, not sent again
    assert inbox.emails.total == 1


async def test_a_deferred_mail_is_tried_again_until_it_is_taken(world, message, lookups, inbox, until):
    sent = message(lookups.add_user("defer-2@example.com"))
    async with world.worker():
        await world.publish(sent)
        await until(lambda: "sent" in world.statuses(sent.notification_id))
    assert world.statuses(sent.notification_id) == ["retrying", "retrying", "sent"]
    assert world.last(sent.notification_id).attempts == 3
    assert inbox.emails.total == 1


async def test_not_now_is_not_counted_against_the_retries_of_our_own_faults(world, message, lookups, inbox, until):
    sent = message(lookups.add_user("defer-9@example.com"))
    async with world.worker(retry_longest_seconds=0.2, max_retries=2):
        await world.publish(sent)
        await until(lambda: "sent" in world.statuses(sent.notification_id), within=30)
    assert world.statuses(sent.notification_id) == ["retrying"] * 9 + ["sent"]
    assert world.last(sent.notification_id).attempts == 10
    assert inbox.emails.total == 1


async def test_a_retry_waits_in_the_ledger_alone_and_outlives_its_worker(world, message, lookups, inbox, until):
    sent = message(lookups.add_user("defer-1@example.com"))
    async with world.worker(retry_base_seconds=2):
        await world.publish(sent)
        await until(lambda: world.statuses(sent.notification_id) == ["retrying"])
    assert [(await world.broker.depth(queue)).ready for queue in queues_of("email")] == [0, 0]
    async with world.worker():
        await until(lambda: world.statuses(sent.notification_id) == ["retrying", "sent"])
    assert inbox.emails.total == 1


async def test_a_mail_that_is_deferred_for_too_long_fails_and_is_in_the_failed_queue(
    world, message, lookups, inbox, until
):
    sent = message(lookups.add_user("defer-99@example.com"))
    async with world.worker(retry_longest_seconds=0.2, retry_window_seconds=0.6):
        await world.publish(sent)
        await until(lambda: world.failed)
    event = world.last(sent.notification_id)
    assert (event.status, event.code) == ("failed", "exhausted")
    assert 2 <= event.attempts <= 20
    assert event.detail == "deferred: 451 4.3.0 Try again later"
    assert [NotificationMessage.model_validate_json(body) for body in world.failed] == [sent]
    assert inbox.emails.total == 0


async def test_a_connection_that_dies_after_the_dot_is_resent_with_the_same_message_id(
    world, message, lookups, inbox, until
):
    sent = message(lookups.add_user("drop@example.com"))
    async with world.worker():
        await world.publish(sent)
        await until(lambda: "sent" in world.statuses(sent.notification_id))
    assert [event.code for event in world.events] == ["smtp_disconnected", None]
    assert [email.message_id for email in inbox.emails] == [f"<{sent.notification_id}@example.org>"] * 2


async def test_a_provider_that_is_down_costs_no_attempt_and_everything_is_sent_after(
    world, message, lookups, inbox, simulator, until
):
    user = lookups.add_user("ada@example.com")
    messages = [message(user, priority=10 if urgent else 5) for urgent in [True, False, False] * 5]
    simulator.faults.smtp = "down"
    async with world.worker() as app:
        await world.publish(*messages)
        await until(lambda: world.breaker_state(app) == 2)
        assert (await world.health(app))["data"]["dependencies"]["smtp"]["status"] == "down"
        await time_passes(0.5)  # until the worker checks whether to pause consuming
        late = [message(user, priority=priority) for priority in (5, 10)]
        await world.publish(*late)
        assert [(await world.broker.depth(queue)).ready for queue in queues_of("email")] == [1, 1], "nothing is taken"
        messages += late
        simulator.faults.smtp = None
        await inbox.emails.wait_for(17, within=40)
        await until(lambda: all("sent" in world.statuses(one.notification_id) for one in messages), within=20)
    assert inbox.emails.total == 17
    assert {world.last(one.notification_id).attempts for one in messages} == {1}
    assert world.failed == []


async def test_a_stalled_message_does_not_hold_up_the_others(world, message, lookups, inbox, until):
    stalled = message(lookups.add_user("stall-3@example.com"))
    others = [message(lookups.add_user(f"user{number}@example.com")) for number in range(5)]
    async with world.worker(worker_concurrency=2, worker_prefetch_count=2, drain_seconds=10):
        await world.publish(stalled, *others)
        await until(lambda: all(world.statuses(one.notification_id) == ["sent"] for one in others))
        assert world.statuses(stalled.notification_id) == []
    assert inbox.emails.total == 6


async def test_a_mail_that_is_deferred_until_its_expiry_ends_as_expired(world, message, lookups, inbox, until):
    sent = message(lookups.add_user("defer-99@example.com"), expires_at=datetime.now(UTC) + timedelta(seconds=3))
    async with world.worker(retry_base_seconds=2):
        await world.publish(sent)
        await until(lambda: "expired" in world.statuses(sent.notification_id))
    assert world.statuses(sent.notification_id) == ["retrying", "retrying", "expired"]
    assert 0 <= (world.last(sent.notification_id).at - sent.expires_at).total_seconds() < 3
    assert inbox.emails.total == 0


async def test_an_account_that_is_turned_away_fails_nothing_and_all_is_sent_when_it_is_put_right(
    world, message, lookups, inbox, until
):
    """A dozen open the breaker; one that comes alone waits all the same."""
    users = [lookups.add_user(f"account-2+{number}@example.com") for number in range(12)]
    messages = [message(user) for user in users]
    async with world.worker(down_retry_seconds=0.1, breaker_open_seconds=0.3) as app:
        await world.publish(messages[0])
        await until(lambda: world.statuses(messages[0].notification_id)[-1:] == ["sent"], within=30)
        await world.publish(*messages[1:])
        await until(lambda: all("sent" in world.statuses(one.notification_id) for one in messages), within=60)
        labels = {"type": "email", "provider": "smtp"}
        refused = app.state.metrics.get_sample_value("provider_account_refused_total", labels)
    assert refused == 24
    assert {world.last(one.notification_id).attempts for one in messages} == {1}
    assert {event.code for event in world.events if event.status == "retrying"} == {"quota_exceeded"}
    assert inbox.emails.total == 12
    assert world.failed == []


async def test_values_are_rendered_as_the_caller_wrote_them_at_once_and_after_retries(
    world, message, lookups, inbox, until
):
    lookups.add_template(
        "order", subject="{{ n }}", text="{% for pair in o %}{{ pair[0] }}={{ pair[1] }};{% endfor %}{{ big.sum }}"
    )
    numbers = '"n": 12345678901234567890123, "big": {"sum": -18446744073709551617}'
    written = f'{{"o": {{"Subtotal": 1.10, "Tax": 2, "a": 3}}, {numbers}}}'
    sent = message(
        lookups.add_user("defer-2@example.com"), template=TemplateRef(code="order", version=1, language="en")
    )
    body = sent.model_dump_json().replace('"variables":{"name":"Ada"}', f'"variables":{written}')
    assert written in body
    async with world.worker():
        await world.broker.publish_many([Publication("email", body.encode(), str(sent.notification_id))])
        [email] = await inbox.emails.wait_for(1)
        await until(lambda: world.statuses(sent.notification_id)[-1:] == ["sent"])
    assert world.statuses(sent.notification_id)[0] == "retrying", "the ledger kept it in between"
    assert (email.subject, email.text.strip()) == (
        "12345678901234567890123",
        "Subtotal=1.1;Tax=2;a=3;-18446744073709551617",
    )
