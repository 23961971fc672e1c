"""From a message with overrides, or for a topic, to what the providers got and what the ledger says."""

import json

from contracts.overrides import Overrides
from contracts.recipients import PushRecipient, PushToken


def overrides(**push: object) -> Overrides:
    return Overrides.model_validate({"push": push})


async def test_the_callers_overrides_are_in_the_message_of_every_provider(working, simulators):
    apple = PushToken(provider="apns", token="ab" * 32)
    user = working.user("a-phones-token", await working.browser("a-browser"), apple)
    changes = overrides(data={"order_id": "A-1"}, badge=2, image="https://img.example/own.png")
    await working.reported(await working.notify(user, overrides=changes), "sent")
    assert {push.provider for push in simulators.inbox.pushes} == {"fcm", "web_push", "apns"}
    for push in simulators.inbox.pushes:
        assert (push.title, push.image, push.badge) == ("Hello Ada", "https://img.example/own.png", 2)
        assert push.data["order_id"] == "A-1"


async def test_a_background_message_is_suppressed_for_browsers_and_sent_to_phones(working, simulators):
    silent = overrides(content_available=True, data={"sync": "orders"})
    both = await working.notify(working.user("a-phones-token", await working.browser("a-browser")), overrides=silent)
    await working.reported(both, "sent")
    [push] = simulators.inbox.pushes
    assert "notification" not in json.loads(push.raw)
    assert await working.ledger(both) == [("sent", 1, 0), ("suppressed", 0, 0)]
    browser = await working.notify(working.user(await working.browser("another")), overrides=silent)
    assert (await working.reported(browser, "suppressed")).code == "background_unsupported"


async def test_a_topic_is_one_delivery(working, simulators):
    topic = PushRecipient(name="", push_tokens=(PushToken(token="news", kind="topic"),))
    message = await working.notify(working.user(), recipient=topic, fixed_recipient=True)
    await working.reported(message, "sent")
    assert [json.loads(push.raw)["topic"] for push in simulators.inbox.pushes] == ["news"]
    assert await working.ledger(message) == [("sent", 1, 0)]


async def test_a_notification_of_a_test_key_to_a_topic_is_simulated(working, simulators):
    topic = PushRecipient(name="", push_tokens=(PushToken(token="'a' in topics", kind="condition"),))
    message = await working.notify(working.user(), recipient=topic, fixed_recipient=True, test=True)
    assert (await working.reported(message, "sent")).provider_message_id.startswith("simulated-")
    assert simulators.inbox.pushes.total == 0


async def test_a_browser_that_the_caller_named_has_ended_and_no_user_loses_a_device(working, simulators):
    user = working.user(await working.browser("gone-of-the-user"))
    for name, status in (("a-browser", "sent"), ("gone-of-the-caller", "failed")):
        to = PushRecipient(name="", push_tokens=(await working.browser(name),))
        message = await working.notify(user, recipient=to, fixed_recipient=True)
        await working.reported(message, status)
    assert (await working.reported(message, "failed")).code == "invalid_token"
    assert [push.recipient for push in simulators.inbox.pushes] == ["a-browser"]
    assert working.services.removed == []


async def test_a_message_of_a_newer_gateway_is_read(working, simulators):
    message = working.message(working.user("a-phones-token"))
    newer = json.loads(message.model_dump_json()) | {"overrides": {"push": {"badge": 1, "new": 1}, "sms": {"x": 1}}}
    await working.publish_raw(json.dumps(newer).encode(), str(message.notification_id))
    await working.reported(message, "sent")
    assert [push.badge for push in simulators.inbox.pushes] == [1]


async def test_messages_over_fcm_are_spread_over_time(world, simulators):
    async with world.running(
        fcm_base_url=simulators.base_url, fcm_service_account_file=simulators.service_account, fcm_per_second=10
    ):
        user = world.user("a-phones-token")
        await world.reported(await world.notify(user), "sent")  # with the access token
        for message in [await world.notify(user) for _ in range(6)]:
            await world.reported(message, "sent")
    _, first, *_, last = [push.received_at for push in simulators.inbox.pushes]
    assert (last - first).total_seconds() >= 0.4  # five intervals of 0.1 s


async def test_two_workers_share_the_pace_of_a_project(world, simulators):
    """Each worker takes a part of the messages, and neither may use the whole pace."""
    paced = {"fcm_base_url": simulators.base_url, "fcm_service_account_file": simulators.service_account}
    async with world.running(**paced, fcm_per_second=20), world.running(**paced, fcm_per_second=20):
        user = world.user("a-phones-token")
        for message in [await world.notify(user) for _ in range(4)]:
            await world.reported(message, "sent")  # with the access tokens
        for message in [await world.notify(user) for _ in range(12)]:
            await world.reported(message, "sent")
    _, _, _, _, first, *_, last = sorted(push.received_at for push in simulators.inbox.pushes)
    assert (last - first).total_seconds() >= 0.4  # eleven intervals of 0.05 s


async def test_a_live_activity_that_has_ended_takes_no_device_from_anybody(working, simulators):
    user = working.user(PushToken(provider="apns", token="ab" * 32))
    update = {"event": "update", "timestamp": "2026-01-01T12:00:00Z", "content_state": {"stops": 2}}
    living, ended = (PushToken(provider="apns", token=begin.ljust(160, "a")) for begin in ("abcd", "e410000"))
    for token, status in ((living, "sent"), (ended, "failed")):
        to = PushRecipient(name="", push_tokens=(token,))
        changes = overrides(apns={"live_activity": update})
        message = await working.notify(user, recipient=to, fixed_recipient=True, overrides=changes)
        await working.reported(message, status)
    assert (await working.reported(message, "failed")).code == "invalid_token"
    assert working.services.removed == []
    [shown] = simulators.inbox.pushes
    assert json.loads(shown.raw)["message"]["aps"]["content-state"] == {"stops": 2}
