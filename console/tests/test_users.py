"""What administrators do to a user: a new address, disabling the account, removing a device."""

from uuid import uuid4

from tests.visiting import Browser, System


async def test_a_wrong_address_is_corrected(admin: Browser, system: System) -> None:
    user, other = system.user("Grace Hopper"), system.user()
    sent = system.send(user["id"], system.template())["notification_id"]
    page, right = f"/users/{user['id']}", f"{uuid4().hex}@example.com"
    path = f"{page}/change"
    assert path in (await admin.open(page)).text
    assert f'value="{user["email"]}"' in (await admin.open(path)).text
    done = await admin.submit(path, path, name="Grace", email=right)
    assert done.headers["location"] == f"{page}?done=user-changed"
    changed = system.call("GET", page)
    assert (changed["name"], changed["email"]) == ("Grace", right)
    assert f"{user['email'][0]}***@example.com; now {right}" in (await admin.open(f"/notifications/{sent}")).text
    for wrong, said in (("nobody", "email"), (other["email"], "address")):
        refused = await admin.submit(path, path, name="Grace", email=wrong)
        assert refused.status_code == 422
        assert said in refused.text
        assert f'value="{wrong}"' in refused.text, "what was typed is still there"
    assert system.call("GET", page)["email"] == right


async def test_an_account_is_disabled_and_enabled_again(admin: Browser, system: System) -> None:
    user = system.user("Grace Hopper")
    page = f"/users/{user['id']}"
    for what, disabled in (("disable", True), ("enable", False)):
        assert f"{what.capitalize()} Grace Hopper?" in (await admin.open(f"{page}/{what}")).text
        done = await admin.submit(f"{page}/{what}", f"{page}/{what}")
        assert done.headers["location"] == f"{page}?done=user-{what}d"
        assert "The account is" in (await admin.open(done.headers["location"])).text
        assert system.call("GET", page)["disabled"] is disabled


async def test_the_last_administrator_is_not_disabled(admin: Browser, system: System) -> None:
    me = f"/users/{system.call('GET', '/auth/me')['id']}"
    refused = await admin.submit(f"{me}/disable", f"{me}/disable")
    assert refused.status_code == 409
    assert "<h1>" in refused.text


async def test_a_device_is_removed_after_a_page_that_asks(admin: Browser, system: System) -> None:
    user = system.user()
    page = f"/users/{user['id']}"
    device = system.call("POST", f"{page}/push-tokens", {"push_token": uuid4().hex})
    path = f"{page}/devices/{device['id']}/remove"
    assert path in (await admin.open(page)).text
    assert device["fingerprint"][:8] in (await admin.open(path)).text
    done = await admin.submit(path, path)
    assert done.headers["location"] == f"{page}?done=device-removed"
    assert system.call("GET", f"{page}/push-tokens") == []
    assert "an administrator removed it" in (await admin.open(page)).text
    assert (await admin.open(path)).status_code == 404
    assert (await admin.open(f"{page}/devices/x/remove")).status_code == 404


async def test_a_device_of_apples_sandbox_says_so(admin: Browser, system: System) -> None:
    page = f"/users/{system.user()['id']}"
    token = (uuid4().hex + uuid4().hex)[:64]
    for environment, expected in ((None, False), ("sandbox", True)):
        given = {"provider": "apns", "token": token, "environment": environment}
        system.call("POST", f"{page}/push-tokens", {"push_token": given})
        assert ('<span class="tag">sandbox</span>' in (await admin.open(page)).text) == expected
