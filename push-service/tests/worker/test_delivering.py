"""From push.queue to the device, the status event and the dead letter."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from contracts.recipients import EmailRecipient, PushToken, device_fingerprint
from testkit.eventually import eventually


async def test_a_notification_reaches_the_device_and_is_reported_sent(working, simulators):
    message = await working.notify(working.user("a-phones-token"), priority=9)
    event = await working.reported(message, "sent")
    [push] = simulators.inbox.pushes
    assert (push.token, push.title, push.body) == ("a-phones-token", "Hello Ada", "Your order A-1")
    assert (push.key, push.correlation_id) == (str(message.notification_id), message.correlation_id)
    sent = json.loads(push.raw)
    assert sent["data"]["link"] == "https://app.example/A-1"
    assert sent["android"]["priority"] == "HIGH"
    assert event.provider_message_id.startswith("projects/simulated-project/messages/")
    assert (event.attempts, event.correlation_id) == (1, message.correlation_id)
    assert await working.ledger(message) == [("sent", 1, 0)]
    assert working.metric("notifications_total", type="push", status="sent") == 1
    assert working.metric("notification_processing_seconds_count", type="push") == 1
    assert list(working.dead_letters) == []


async def test_every_device_of_a_person_gets_it(working, simulators):
    message = await working.notify(working.user("a-phones-token", "a-tablets-token"))
    await working.reported(message, "sent")
    assert {push.token for push in simulators.inbox.pushes} == {"a-phones-token", "a-tablets-token"}
    assert [event.status for event in working.events] == ["sent"]


async def test_the_same_message_twice_is_sent_once(working, simulators):
    message = working.message(working.user("a-phones-token"))
    await asyncio.gather(*(working.publish(message) for _ in range(5)))
    await working.reported(message, "sent")
    await working.publish(message)
    await working.events.wait_for(count=2)  # what has ended is reported again: the first report may have been lost
    assert simulators.inbox.pushes.total == 1
    assert await working.ledger(message) == [("sent", 1, 0)]


async def test_passing_trouble_is_waited_out_in_the_ledger(working, simulators):
    message = await working.notify(working.user("unavailable-2-a"))
    await working.reported(message, "sent")
    assert working.detail(message) == [
        ("retrying", "provider_unavailable", 1),
        ("retrying", "provider_unavailable", 2),
        ("sent", None, 3),
    ]
    assert simulators.inbox.pushes.total == 1


async def test_a_quota_is_waited_for_as_long_as_fcm_asks(working):
    began = asyncio.get_running_loop().time()
    message = await working.notify(working.user("quota-1-a"))
    await working.reported(message, "sent")
    assert asyncio.get_running_loop().time() - began >= 1.0  # the simulator's Retry-After
    assert working.detail(message) == [("retrying", "rate_limited", 1), ("sent", None, 2)]


async def test_an_exhausted_notification_has_failed_and_is_a_dead_letter(world, simulators):
    account = Path(simulators.service_account)
    async with world.running(
        fcm_base_url=simulators.base_url, fcm_service_account_file=account, retry_window_seconds=0.5
    ):
        message = await world.notify(world.user("unavailable-99-a"))
        event = await world.reported(message, "failed")
        [letter] = await world.dead_letters.wait_for()
    assert event.code == "exhausted"
    assert event.attempts > 1
    assert json.loads(letter)["notification_id"] == str(message.notification_id)
    assert simulators.inbox.pushes.total == 0


async def test_a_dead_device_is_forgotten_and_the_living_one_is_served(working, simulators):
    user = working.user("unregistered-phone", "a-tablets-token")
    message = await working.notify(user)
    event = await working.reported(message, "sent")
    assert working.services.removed == [(user, "unregistered-phone")]
    assert {one.device: (one.provider, one.status, one.code) for one in event.devices} == {
        device_fingerprint("fcm", "unregistered-phone"): ("fcm", "failed", "invalid_token"),
        device_fingerprint("fcm", "a-tablets-token"): ("fcm", "sent", None),
    }
    assert [push.token for push in simulators.inbox.pushes] == ["a-tablets-token"]
    assert await working.ledger(message) == [("failed", 1, 0), ("sent", 1, 0)]
    assert list(working.dead_letters) == []


async def test_a_person_whose_only_device_is_dead_is_not_reached(working):
    user = working.user("unregistered-phone")
    message = await working.notify(user)
    assert (await working.reported(message, "failed")).code == "invalid_token"
    await working.dead_letters.wait_for()
    assert working.services.removed == [(user, "unregistered-phone")]


async def test_a_dead_device_that_could_not_be_removed_is_removed_next_time(working, simulators):
    user = working.user("unregistered-phone", "a-tablets-token")
    working.services.down = {"removals"}
    await working.reported(await working.notify(user), "sent")
    assert working.services.removed == []
    working.services.down = set()
    await working.reported(await working.notify(user), "sent")
    assert working.services.removed == [(user, "unregistered-phone")]
    assert simulators.inbox.pushes.total == 2


async def test_a_browser_and_a_phone_get_it(working, simulators):
    message = await working.notify(working.user(await working.browser("a-browser"), "a-phones-token"))
    await working.reported(message, "sent")
    await eventually(lambda: simulators.inbox.pushes.total == 2)
    assert {(push.provider, push.token, push.title, push.key) for push in simulators.inbox.pushes} == {
        ("web_push", "a-browser", "Hello Ada", str(message.notification_id)),
        ("fcm", "a-phones-token", "Hello Ada", str(message.notification_id)),
    }


async def test_a_subscription_that_has_ended_is_forgotten(working):
    browser = await working.browser("gone-browser")
    user = working.user(browser)
    message = await working.notify(user)
    assert (await working.reported(message, "failed")).code == "invalid_token"
    assert working.services.removed == [(user, browser.token)]


async def test_an_apple_device_gets_it_and_a_dead_one_is_forgotten(working, simulators):
    dead, living = (PushToken(provider="apns", token=begin.ljust(64, "a")) for begin in ("e410000", "abcd"))
    user = working.user(dead, living)
    message = await working.notify(user)
    await working.reported(message, "sent")
    await eventually(lambda: working.services.removed == [(user, dead.token)])
    [push] = simulators.inbox.pushes
    assert (push.provider, push.token, push.title, push.key) == (
        "apns",
        living.token,
        "Hello Ada",
        str(message.notification_id),
    )


async def test_a_push_service_that_asks_to_wait_is_waited_for(working, simulators):
    message = await working.notify(working.user(await working.browser("quota-1-browser")))
    await working.reported(message, "sent")
    assert working.detail(message) == [("retrying", "rate_limited", 1), ("sent", None, 2)]
    assert simulators.inbox.pushes.total == 1


async def test_an_opted_out_person_is_left_alone(working, simulators):
    message = await working.notify(working.user("a-phones-token", push=False))
    assert (await working.reported(message, "suppressed")).code == "opted_out"
    assert simulators.inbox.pushes.total == 0


async def test_a_payload_that_fcm_would_refuse_fails_at_once(working, simulators):
    message = await working.notify(working.user("a-phones-token"), variables={"name": "Ada", "order": "A" * 5000})
    assert (await working.reported(message, "failed")).code == "payload_too_large"
    assert (simulators.inbox.pushes.total, simulators.inbox.pushes.refused) == (0, 0)


async def test_poison_goes_to_the_dead_letters_once_and_harms_no_neighbour(working):
    user = working.user("a-phones-token")
    before, after = working.message(user), working.message(user)
    poison = [
        b"\xff{not json",
        before.model_dump_json().replace('"version":1', '"version":99').encode(),
        before.model_dump_json().replace('"notification_type":"push"', '"notification_type":"email"').encode(),
    ]
    await working.publish(before)
    for number, body in enumerate(poison):
        await working.publish_raw(body, f"poison-{number}")
    await working.publish(after)
    await working.dead_letters.wait_for(count=3)
    await working.reported(before, "sent")
    await working.reported(after, "sent")
    assert sorted(working.dead_letters) == sorted(poison)


async def test_a_message_without_a_device_fails_in_sight(working):
    working.services.down = {"users"}
    recipient = EmailRecipient(name="Ada", email="ada@example.com")
    message = await working.notify(working.user("a-phones-token"), recipient=recipient)
    assert (await working.reported(message, "failed")).code == "no_recipient"
    await working.dead_letters.wait_for()


async def test_while_the_user_service_is_down_the_message_knows_the_devices(working, simulators):
    user = working.user("a-phones-token")
    working.services.down = {"users"}
    await working.reported(await working.notify(user), "sent")
    assert [push.token for push in simulators.inbox.pushes] == ["a-phones-token"]


async def test_while_the_template_service_is_down_notifications_wait(working, simulators):
    working.services.down = {"templates"}
    message = await working.notify(working.user("a-phones-token"))
    assert (await working.reported(message, "retrying")).attempts == 0
    working.services.down = set()
    assert (await working.reported(message, "sent")).attempts == 1
    assert simulators.inbox.pushes.total == 1


async def test_the_provider_gets_the_expiry_of_a_message(working, simulators):
    expires_at = datetime.now(UTC) + timedelta(hours=1)
    await working.reported(await working.notify(working.user("a-phones-token"), expires_at=expires_at), "sent")
    [push] = simulators.inbox.pushes
    sent = json.loads(push.raw)
    seconds = int(sent["webpush"]["headers"]["TTL"])
    assert 3500 < seconds <= 3600
    assert sent["android"]["ttl"] == f"{seconds}s"
    assert abs(int(sent["apns"]["headers"]["apns-expiration"]) - expires_at.timestamp()) <= 2


async def test_not_now_is_tried_again_more_often_than_our_own_faults_are(working, simulators):
    message = await working.notify(working.user("unavailable-7-a"))
    assert (await working.reported(message, "sent")).attempts == 8  # MAX_RETRIES is 3 here
    assert simulators.inbox.pushes.total == 1
