"""Browsers, through the whole system."""

from typing import Any
from uuid import uuid4

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
