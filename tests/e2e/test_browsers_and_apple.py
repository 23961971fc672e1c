"""Browsers and Apple's devices, through the whole system."""

from typing import Any
from uuid import uuid4

import pytest

from testkit.eventually import wait_until
from testkit.system import System


def subscribed(system: System, user: str, name: str) -> Any:
    """The subscription of a browser that the user registered, as its page would."""
    key = system.call("GET", "/push/vapid-key")["public_key"]
    assert key == system.simulators["vapid_public_key"]
    subscription = system.http.get(f"{system.simulators['base_url']}/api/web-push/subscriptions/{name}").json()
    system.call("PUT", f"/users/{user}/push-token", {"push_token": None})
    system.call("POST", f"/users/{user}/push-tokens", {"push_token": subscription}, status=201)
    return subscription


def test_a_browser_shows_what_the_caller_sent(system: System, user: str) -> None:
    name = f"browser-{uuid4().hex}"
    subscribed(system, user, name)
    notification = system.follow(system.send("push", user))
    assert notification["status"] == "sent"
    [shown] = [message for message in system.messages("push") if message["recipient"] == name]
    push = system.message(shown["id"])
    assert (push["title"], push["link"]) == ("Hi Ada", "https://example.com/x")
    assert push["data"]["notification_id"] == notification["notification_id"]


def test_a_subscription_that_has_ended_is_removed_from_the_user(system: System, user: str) -> None:
    subscribed(system, user, f"gone-{uuid4().hex}")
    notification = system.follow(system.send("push", user))
    assert (notification["status"], notification["error"]) == ("failed", "invalid_token")
    wait_until(lambda: system.call("GET", f"/users/{user}/push-tokens") == [], 10, "the removal")


def test_browsers_that_the_caller_names_get_it_and_one_that_has_ended_fails(system: System) -> None:
    for name, status in ((f"browser-{uuid4().hex}", "sent"), (f"gone-{uuid4().hex}", "failed")):
        subscription = system.http.get(f"{system.simulators['base_url']}/api/web-push/subscriptions/{name}").json()
        body = {
            "notification_type": "push",
            "to": {"push_tokens": [subscription]},
            "template_code": "welcome",
            "variables": {"name": "Ada", "link": "https://example.com/x"},
        }
        sent = system.call("POST", "/notifications", body, status=202)["notification_id"]
        notification = system.follow(sent)
        assert notification["status"] == status
        shown = [message for message in system.messages("push") if message["recipient"] == name]
        assert len(shown) == (status == "sent")
    assert notification["error"] == "invalid_token"


def test_an_iphone_shows_it_and_one_without_the_app_is_forgotten(system: System, user: str) -> None:
    living, dead = f"{uuid4().hex}{uuid4().hex}", f"e410000{uuid4().hex}".ljust(64, "0")
    system.call("PUT", f"/users/{user}/push-token", {"push_token": None})
    for token in (living, dead):
        device = {"push_token": {"provider": "apns", "token": token}}
        system.call("POST", f"/users/{user}/push-tokens", device, status=201)
    notification = system.follow(system.send("push", user))
    assert notification["status"] == "sent"
    [shown] = [message for message in system.messages("push") if message["recipient"] == living]
    assert system.message(shown["id"])["title"] == "Hi Ada"
    devices = [living]
    wait_until(
        lambda: [one["token"] for one in system.call("GET", f"/users/{user}/push-tokens")] == devices, 10, "removal"
    )


DEVELOPMENT = "deb06"  # how the simulated sandbox's tokens begin


def apple(system: System, user: str, environment: str | None) -> Any:
    """Registers a development build on the user's only device."""
    token = f"{DEVELOPMENT}{uuid4().hex}{uuid4().hex}"[:64]
    system.call("PUT", f"/users/{user}/push-token", {"push_token": None})
    given = {"provider": "apns", "token": token, "environment": environment}
    return system.call("POST", f"/users/{user}/push-tokens", {"push_token": given}, status=201)


def test_a_development_build_gets_it_over_the_sandbox(system: System, user: str) -> None:
    device = apple(system, user, "sandbox")
    notification = system.follow(system.send("push", user))
    assert (notification["status"], notification["provider"]) == ("sent", "apns_sandbox")
    [shown] = [message for message in system.messages("push") if message["recipient"] == device["token"]]
    assert system.message(shown["id"])["title"] == "Hi Ada"


@pytest.mark.parametrize("environment", [None, "production"])
def test_a_development_build_that_was_registered_for_production_fails_and_stays(
    system: System, user: str, environment: str | None
) -> None:
    device = apple(system, user, environment)
    notification = system.follow(system.send("push", user))
    assert (notification["status"], notification["error"]) == ("failed", "bad_device_token")
    end = notification["timeline"][-1]
    assert (end["provider"], end["code"], end["detail"]) == ("apns", "bad_device_token", "HTTP 400 BadDeviceToken")
    assert [one["id"] for one in system.call("GET", f"/users/{user}/push-tokens")] == [device["id"]]


def test_tokens_that_the_caller_names_go_to_their_environments(system: System) -> None:
    tokens = {"sandbox": f"{DEVELOPMENT}{uuid4().hex}{uuid4().hex}"[:64], "production": f"{uuid4().hex}{uuid4().hex}"}
    given = [{"provider": "apns", "token": token, "environment": name} for name, token in tokens.items()]
    body = {
        "notification_type": "push",
        "to": {"push_tokens": given},
        "template_code": "welcome",
        "variables": {"name": "Ada", "link": "https://example.com/x"},
    }
    sent = system.call("POST", "/notifications", body, status=202)["notification_id"]
    assert system.follow(sent)["status"] == "sent"

    def ended() -> set[tuple[str, str]]:
        found = system.call("GET", f"/notifications/{sent}").get("devices", [])
        return {(one["provider"], one["status"]) for one in found}

    wait_until(lambda: ended() == {("apns", "sent"), ("apns_sandbox", "sent")}, 10, "both devices")


def test_a_live_activity_is_updated_by_its_token(system: System) -> None:
    token = uuid4().hex.ljust(160, "a")
    update = {"event": "update", "content_state": {"stops": 2}}
    body = {
        "notification_type": "push",
        "to": {"push_tokens": [{"provider": "apns", "token": token}]},
        "template_code": "welcome",
        "variables": {"name": "Ada", "link": "https://example.com/x"},
        "overrides": {"push": {"apns": {"live_activity": update}}},
    }
    sent = system.call("POST", "/notifications", body, status=202)["notification_id"]
    assert system.follow(sent)["status"] == "sent"
    [shown] = [message for message in system.messages("push") if message["recipient"] == token]
    assert '"apns-push-type": "liveactivity"' in system.message(shown["id"])["raw"]
