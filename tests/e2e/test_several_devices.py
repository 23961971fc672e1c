"""A user with several devices: what became of the notification on each, and of the device that is dead."""

from typing import Any
from uuid import uuid4

from contracts.recipients import device_fingerprint
from testkit.eventually import wait_until
from testkit.system import System


def _registered(system: System, user: str, token: Any) -> Any:
    return system.call("POST", f"/users/{user}/push-tokens", {"push_token": token}, status=201)


def _browser(system: System, name: str) -> Any:
    return system.http.get(f"{system.simulators['base_url']}/api/web-push/subscriptions/{name}").json()


def test_two_devices_get_it_and_the_dead_one_is_removed_and_all_three_are_told(system: System, user: str) -> None:
    system.call("PUT", f"/users/{user}/push-token", {"push_token": None})
    dead_token = f"unregistered-{uuid4().hex}"
    phone = _registered(system, user, f"phone-{uuid4().hex}")
    browser = _registered(system, user, _browser(system, f"browser-{uuid4().hex}"))
    dead = _registered(system, user, dead_token)

    notification = system.follow(system.send("push", user))

    assert notification["status"] == "sent"
    expected = {
        phone["fingerprint"]: ("fcm", "sent", None),
        browser["fingerprint"]: ("web_push", "sent", None),
        dead["fingerprint"]: ("fcm", "failed", "invalid_token"),
    }
    assert {one["device"]: (one["provider"], one["status"], one["code"]) for one in notification["devices"]} == expected
    steps = [step for step in notification["timeline"] if "device" in step]
    assert {step["device"]: (step["provider"], step["status"], step["code"]) for step in steps} == expected
    assert all(notification["created_at"] <= step["at"] <= notification["updated_at"] for step in steps)
    assert dead_token not in str(notification)

    wait_until(lambda: len(system.call("GET", f"/users/{user}/push-tokens")) == 2, 10, "the removal")
    devices = {one["id"] for one in system.call("GET", f"/users/{user}/push-tokens")}
    assert devices == {phone["id"], browser["id"]}
    removed = {one["id"]: one for one in system.call("GET", f"/users/{user}/removed-push-tokens")}
    assert removed[dead["id"]]["removed_because"] == "unregistered"
    assert removed[dead["id"]]["fingerprint"] == device_fingerprint("fcm", dead_token)
    assert dead_token not in str(removed)

    again = _registered(system, user, dead_token)
    assert again["id"] == dead["id"], "an app that is installed again registers its device again"
    assert dead["id"] not in {one["id"] for one in system.call("GET", f"/users/{user}/removed-push-tokens")}


def test_a_device_that_is_tried_again_joins_the_others_in_the_answer(system: System, user: str) -> None:
    system.call("PUT", f"/users/{user}/push-token", {"push_token": None})
    phone = _registered(system, user, f"phone-{uuid4().hex}")
    slow = _registered(system, user, f"unavailable-2-{uuid4().hex}")
    notification = system.send("push", user)
    assert system.follow(notification)["status"] == "sent"

    def told() -> dict[str, str]:
        detail = system.call("GET", f"/notifications/{notification}")
        return {one["device"]: one["status"] for one in detail.get("devices", ())}

    both = {phone["fingerprint"]: "sent", slow["fingerprint"]: "sent"}
    wait_until(lambda: told() == both, 30, "the second device's end")
