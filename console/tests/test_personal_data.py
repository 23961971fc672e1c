"""A user's data as a file, erasing a user, and what the user's page says about mail."""

import json
from uuid import uuid4

import httpx2

from notifications.resources.operations import fingerprint
from testkit.eventually import eventually
from tests.visiting import Browser, System


async def test_everything_about_a_user_is_a_file(admin: Browser, system: System) -> None:
    user = system.user("Grace Hopper")
    sent = system.send(user["id"], system.template())["notification_id"]
    page = f"/users/{user['id']}"
    file = await admin.submit(page, f"{page}/export")
    assert file.headers["content-disposition"] == f'attachment; filename="user-{user["id"]}.json"'
    whole = json.loads(file.text)
    assert whole["user"]["email"] == user["email"]
    assert sent in {one["notification_id"] for one in whole["notifications"]}


async def test_erasing_needs_the_address_and_ends_with_a_receipt(admin: Browser, system: System) -> None:
    user = system.user("Grace Hopper")
    page = f"/users/{user['id']}/erase"
    refused = await admin.submit(page, page, typed="somebody@example.com")
    assert refused.status_code == 422
    assert "Nothing was erased." in refused.text
    assert system.call("GET", f"/users/{user['id']}")["name"] == "Grace Hopper"
    done = await admin.submit(page, page, typed=user["email"].upper())
    receipt = done.headers["location"]
    text = (await admin.open(receipt)).text
    assert user["id"] in text
    assert "The rest is being erased." in text
    assert f'hx-get="{receipt}/live?poll=0"' in text
    assert system.http.get(f"/users/{user['id']}").status_code == 404

    async def is_complete() -> bool:
        return "Everything is erased." in (await admin.open(f"{receipt}/live?poll=1")).text

    await eventually(is_complete, 120)


async def test_an_address_that_gets_no_mail_is_said_at_the_user(admin: Browser, system: System) -> None:
    user = system.user()
    page = f"/users/{user['id']}"
    assert "not on it" in (await admin.open(page)).text
    system.call("POST", "/suppressions", {"emails": [user["email"]], "reason": "bounced"})
    assert f'href="/suppressions/{fingerprint(user["email"])}?of={user["id"]}"' in (await admin.open(page)).text


async def test_a_device_that_is_gone_says_why_and_when_it_was_last_seen(admin: Browser, system: System) -> None:
    user = system.user()
    made = system.call("POST", f"/users/{user['id']}/push-tokens", {"push_token": uuid4().hex})
    system.call("DELETE", f"/users/{user['id']}/push-tokens/{made['id']}")
    text = (await admin.open(f"/users/{user['id']}")).text
    assert "an administrator removed it" in text
    assert text.count('data-label="Last seen"') == 1


async def test_keys_are_offered_neither(visitor: Browser, system: System) -> None:
    key = system.key("users:read", "users:write", "notifications:read")
    made = httpx2.post(
        f"{system.url}/api/v1/users",
        json={"name": "C", "email": f"{uuid4().hex}@example.com"},
        headers={"X-API-Key": key},
    ).json()["data"]
    await visitor.submit("/login", "/login/key", key=key)
    page = f"/users/{made['id']}"
    text = (await visitor.open(page)).text
    assert "/erase" not in text
    assert "Suppression list" not in text
    assert (await visitor.open(f"{page}/erase")).status_code == 403
    assert (await visitor.submit("/notifications", f"{page}/export")).status_code == 403
