"""Apple's devices in both environments of APNs, whatever the message or the user service knows of them."""

import pytest

from contracts.recipients import PushRecipient, PushToken
from push_service.settings import PushSettings
from testkit.eventually import eventually

OPEN = 2
PRODUCTION, SANDBOX = "ab" * 32, f"deb06{'a' * 59}"


def device(token: str, environment: str | None = None) -> PushToken:
    return PushToken(provider="apns", token=token, environment=environment)


async def test_development_and_production_builds_of_one_user_both_get_it(working, simulators):
    message = await working.notify(working.user(device(SANDBOX, "sandbox"), device(PRODUCTION, "production")))
    await working.reported(message, "sent")
    await eventually(lambda: simulators.inbox.pushes.total == 2)
    event = (await working.events.wait_for(lambda one: one.devices and len(one.devices) == 2))[-1]
    assert {(one.provider, one.status) for one in event.devices} == {("apns", "sent"), ("apns_sandbox", "sent")}


@pytest.mark.parametrize(
    ("wrong", "provider"),
    [
        (device(SANDBOX), "apns"),
        (device(SANDBOX, "production"), "apns"),
        (device(PRODUCTION, "sandbox"), "apns_sandbox"),
    ],
)
async def test_a_token_of_the_other_environment_fails_and_says_where_and_the_device_stays(working, wrong, provider):
    message = await working.notify(working.user(wrong))
    event = await working.reported(message, "failed")
    assert (event.code, event.detail, event.provider) == ("bad_device_token", "HTTP 400 BadDeviceToken", provider)
    assert working.services.removed == []


async def test_a_dead_device_of_the_sandbox_is_forgotten(working):
    gone = device("deb06e410000".ljust(64, "a"), "sandbox")
    user = working.user(gone)
    assert (await working.reported(await working.notify(user), "failed")).code == "invalid_token"
    assert working.services.removed == [(user, gone.token)]


async def test_a_message_of_an_earlier_gateway_goes_where_the_user_service_says(working):
    user = working.user(device(SANDBOX, "sandbox"))
    accepted = PushRecipient(name="Ada", push_tokens=(device(SANDBOX),))
    event = await working.reported(await working.notify(user, recipient=accepted), "sent")
    assert event.provider == "apns_sandbox"


async def test_devices_without_an_environment_go_to_the_configured_one(world):
    async with world.running(**world.apns(), apns_environment="sandbox"):
        event = await world.reported(await world.notify(world.user(device(SANDBOX))), "sent")
        assert event.provider == "apns_sandbox"
        event = await world.reported(await world.notify(world.user(device(PRODUCTION, "production"))), "sent")
        assert event.provider == "apns"


async def test_trouble_with_the_sandbox_stops_no_device_of_production(world, free_port, until):
    nowhere = {"apns_sandbox_base_url": f"http://127.0.0.1:{free_port}"}
    async with world.running(**world.apns() | nowhere, breaker_open_seconds=5):
        await world.reported(await world.notify(world.user(device(PRODUCTION))), "sent")
        waiting = [await world.notify(world.user(device(SANDBOX, "sandbox"))) for _ in range(15)]
        await until(lambda: world.metric("circuit_breaker_state", name="apns_sandbox") == OPEN)
        states = (await world.health())["data"]["dependencies"]
        assert (states["apns_sandbox"]["status"], states["apns"]["status"]) == ("down", "up")
        assert (await world.reported(await world.notify(world.user(device(PRODUCTION))), "sent")).attempts == 1
    async with world.running(**world.apns()):
        for message in waiting:
            assert (await world.reported(message, "sent")).attempts == 1


def test_a_message_without_environments_can_be_read():
    """As gateways and user services of the previous release write it."""
    read = PushRecipient.model_validate({"name": "Ada", "push_tokens": [{"provider": "apns", "token": PRODUCTION}]})
    assert read.push_tokens[0].environment is None
    assert PushSettings(_env_file=None).apns.default == "production"
