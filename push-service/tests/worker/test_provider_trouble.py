"""FCM away, refusing our account, silent, or not configured: no notification pays for it."""

from pathlib import Path

from contracts.recipients import PushToken
from devstack.simulators.oauth import write_service_account
from devstack.simulators.run import SimulatorOptions, running_simulators

OPEN = 2.0


def fcm_state(world) -> float:
    return world.metric("circuit_breaker_state", name="fcm")


async def test_while_fcm_is_down_the_breaker_opens_no_attempt_is_spent_and_all_drains_afterwards(
    world, tmp_path, free_port, until
):
    data = tmp_path / "fcm"
    base_url = f"http://127.0.0.1:{free_port}"
    write_service_account(data / "service-account.json", base_url)
    async with world.running(fcm_base_url=base_url, fcm_service_account_file=data / "service-account.json"):
        user = world.user("a-phones-token")
        messages = [await world.notify(user) for _ in range(15)]
        await until(lambda: fcm_state(world) == OPEN)
        assert (await world.health())["data"]["dependencies"]["fcm"]["status"] == "down"
        late = await world.notify(user)
        options = SimulatorOptions(data=data, smtp_port=0, http_port=free_port, journal=False)
        async with running_simulators(options) as fcm:
            for message in [*messages, late]:
                assert (await world.reported(message, "sent")).attempts == 1
            assert fcm.inbox.pushes.total == 16
            assert len({push.key for push in fcm.inbox.pushes}) == 16
            await until(lambda: fcm_state(world) == 0)
    assert {event.code for event in world.events if event.status == "retrying"} <= {
        "credentials_unavailable",
        "unreachable",
    }
    assert list(world.dead_letters) == []


async def test_an_account_that_google_refuses_stops_sending_and_fails_nothing(world, tmp_path, simulators):
    stranger = tmp_path / "stranger.json"
    write_service_account(stranger, simulators.base_url)
    async with world.running(fcm_base_url=simulators.base_url, fcm_service_account_file=stranger):
        message = await world.notify(world.user("a-phones-token"))
        event = await world.reported(message, "retrying")
        assert (event.code, event.detail, event.attempts) == ("credentials_refused", "invalid_grant", 0)
    assert simulators.inbox.pushes.total == 0
    assert list(world.dead_letters) == []


async def test_our_wrong_key_for_apple_fails_no_notification_and_delays_no_other_device(working, simulators):
    """More such devices than it takes to open the breaker, and more refusals than retries."""
    apple = [await working.notify(working.user(f"third-party-6-{number}")) for number in range(12)]
    for message in apple:
        await working.reported(message, "retrying")
    android = await working.notify(working.user("a-phones-token"))
    assert (await working.reported(android, "sent")).attempts == 1
    assert fcm_state(working) == 0
    for message in apple:
        assert (await working.reported(message, "sent")).attempts == 1
    assert working.metric("provider_account_refused_total", type="push", provider="fcm") == 12 * 6
    assert {event.code for event in working.events if event.status == "retrying"} == {"third_party_auth"}
    assert list(working.dead_letters) == []


async def test_without_an_account_notifications_wait_for_one(world, simulators):
    async with world.running():
        message = await world.notify(world.user("a-phones-token"))
        event = await world.reported(message, "retrying")
        assert (event.code, event.attempts) == ("not_configured", 0)
        health = await world.health()
        assert health["status"] == "degraded"
        assert health["data"]["dependencies"]["fcm"] | {"latency_ms": 0} == {
            "status": "down",
            "essential": False,
            "latency_ms": 0,
            "error": "NotConfigured",
        }
    async with world.running(
        fcm_base_url=simulators.base_url, fcm_service_account_file=Path(simulators.service_account)
    ):
        assert (await world.reported(message, "sent")).attempts == 1


async def test_browsers_wait_for_a_vapid_key_and_phones_do_not(world, simulators):
    phones = {"fcm_base_url": simulators.base_url, "fcm_service_account_file": Path(simulators.service_account)}
    browser = await world.browser("a-browser")
    async with world.running(**phones):
        waiting = [await world.notify(world.user(browser)) for _ in range(15)]
        for message in waiting:
            event = await world.reported(message, "retrying")
            assert (event.code, event.attempts) == ("not_configured", 0)
        assert (await world.reported(await world.notify(world.user("a-phones-token")), "sent")).attempts == 1
        assert fcm_state(world) == 0
    async with world.running(**phones, **world.web_push()):
        for message in waiting:
            assert (await world.reported(message, "sent")).attempts == 1


async def test_a_key_that_apple_refuses_stops_calls_to_apple_and_keeps_no_phone_of_fcm_waiting(
    world, simulators, until
):
    phones = {"fcm_base_url": simulators.base_url, "fcm_service_account_file": Path(simulators.service_account)}
    apple = PushToken(provider="apns", token="ab" * 32)
    async with world.running(**phones, **world.apns() | {"apns_key_id": "ANOTHERKEY"}, breaker_open_seconds=5):
        await world.reported(await world.notify(world.user("a-phones-token")), "sent")
        waiting = [await world.notify(world.user(apple)) for _ in range(15)]
        await until(lambda: world.metric("circuit_breaker_state", name="apns") == OPEN)
        states = (await world.health())["data"]["dependencies"]
        assert (states["apns"]["status"], states["fcm"]["status"]) == ("down", "up")
        assert (await world.reported(await world.notify(world.user("a-phones-token")), "sent")).attempts == 1
        refused = simulators.inbox.pushes.refused
    async with world.running(**phones, **world.apns()):
        for message in waiting:
            assert (await world.reported(message, "sent")).attempts == 1
    assert simulators.inbox.pushes.refused == refused < 15 * 3
    assert list(world.dead_letters) == []


async def test_a_push_service_that_is_away_opens_no_breaker(world, simulators):
    phones = {"fcm_base_url": simulators.base_url, "fcm_service_account_file": Path(simulators.service_account)}
    browser = await world.browser("a-browser")
    away = browser.model_copy(update={"token": "http://127.0.0.1:9/web-push/a"})
    async with world.running(**phones, **world.web_push() | {"web_push_simulator_url": "http://127.0.0.1:9"}):
        for message in [await world.notify(world.user(away)) for _ in range(15)]:
            assert (await world.reported(message, "retrying")).code == "unreachable"
        assert (await world.reported(await world.notify(world.user("a-phones-token")), "sent")).attempts == 1
        assert fcm_state(world) == 0


async def test_a_lost_answer_is_recorded_as_such_and_the_copy_takes_the_first_ones_place(world, simulators):
    simulators.faults.fcm = "stall"
    async with world.running(
        fcm_base_url=simulators.base_url,
        fcm_service_account_file=Path(simulators.service_account),
        fcm_timeout_seconds=0.5,
    ):
        message = await world.notify(world.user("a-phones-token"))
        event = await world.reported(message, "retrying")
        assert (event.code, event.attempts) == ("no_answer", 1)
        simulators.faults.fcm = None
        await world.reported(message, "sent")
        [(state, attempts, ambiguous)] = await world.ledger(message)
    first, *copies = simulators.inbox.pushes
    assert state == "sent"
    assert len(copies) == attempts - 1 == ambiguous
    assert {copy.raw for copy in copies} == {first.raw}


async def test_a_stopping_worker_lets_the_send_in_flight_end(world, simulators):
    async with world.running(
        fcm_base_url=simulators.base_url, fcm_service_account_file=Path(simulators.service_account)
    ):
        message = await world.notify(world.user("stall-1-a"))
        await simulators.inbox.pushes.wait_for(1)
    assert await world.ledger(message) == [("sent", 1, 0)]
    assert [event.status for event in world.events] == ["sent"]
    assert simulators.inbox.pushes.total == 1
