"""Applications and their keys: made, changed, shown once, replaced, revoked, deleted."""

import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx2
import pytest

from console.services.access import MEANINGS, state_of
from notifications import ApiKey
from tests.visiting import Browser, System

NEW = "/applications/new"
KEY = re.compile(r"nk_(?:live|test)_[A-Za-z0-9_\-]{20,}")


def named() -> str:
    return f"orders {uuid4().hex[:8]}"


async def make(admin: Browser, **fields: str) -> str:
    """The path of a new application."""
    done = await admin.submit(NEW, NEW, **{"name": named(), "channels": "email", **fields})
    assert done.status_code == 303, done.text
    return done.headers["location"].partition("?")[0]


async def make_key(admin: Browser, application: str, **fields: str) -> tuple[str, str]:
    """The path of a new key, and the key."""
    page = f"{application}/keys/new"
    done = await admin.submit(
        page, page, **{"name": "production", "scopes": "notifications:read", "days": "90", **fields}
    )
    assert done.status_code == 303, done.text
    [key] = set(KEY.findall((await admin.open(done.headers["location"])).text))
    return done.headers["location"], key


def works(system: System, key: str) -> bool:
    return httpx2.get(f"{system.url}/api/v1/notifications", headers={"X-API-Key": key}).is_success


async def test_an_application_is_made_changed_and_listed(admin: Browser, system: System) -> None:
    name = named()
    path = await make(admin, name=name, limit="600", from_name="Orders")
    made = system.call("GET", path)
    assert (made["rate_limit_per_minute"], made["channels"], made["sender"]["from_name"]) == (600, ["email"], "Orders")
    assert name in (await admin.open("/applications")).text
    form = (await admin.open(f"{path}/change")).text
    assert 'value="600"' in form
    done = await admin.submit(f"{path}/change", f"{path}/change", name=name, channels=["email", "push"])
    assert done.headers["location"] == f"{path}?done=application-changed"
    made = system.call("GET", path)
    assert (made["rate_limit_per_minute"], made["channels"], made["sender"]) == (None, None, None)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": ""}, "The application needs a name."),
        ({"channels": ""}, "Choose at least one channel."),
        ({"limit": "many"}, "The limit is a whole number"),
        ({"limit": "0"}, "rate_limit_per_minute"),
        ({"from_email": "a@not-allowed.example.org"}, "domain"),
    ],
)
async def test_what_cannot_be_is_said_beside_what_was_typed(admin: Browser, fields: dict[str, str], said: str) -> None:
    page = await admin.submit(NEW, NEW, **{"name": "kept name", "channels": "email", **fields})
    assert page.status_code == 422
    assert said in page.text
    if "name" not in fields:
        assert "kept name" in page.text


async def test_a_new_key_is_shown_once_and_works(admin: Browser, system: System) -> None:
    application = await make(admin)
    path, key = await make_key(admin, application)
    assert key.startswith("nk_live_")
    assert works(system, key)
    again = (await admin.open(path)).text
    assert key not in again
    assert "The key itself was shown once" in again
    assert key not in (await admin.open(application)).text
    assert "production" in (await admin.open("/applications/keys")).text
    assert len(admin.http.cookies["console"]) < 4_000


async def test_a_key_form_says_what_each_scope_allows_and_keeps_what_was_typed(admin: Browser) -> None:
    page = f"{await make(admin)}/keys/new"
    form = await admin.open(page)
    assert form.status_code == 200
    assert all(text in form.text for text in MEANINGS.values())
    refused = await admin.submit(page, page, name="", scopes="users:read")
    assert refused.status_code == 422
    assert 'value="users:read" checked' in refused.text


async def test_a_test_key_and_its_expiry(admin: Browser, system: System) -> None:
    application = await make(admin)
    _, key = await make_key(admin, application, kind="test", days="7")
    assert key.startswith("nk_test_")
    [made] = system.call("GET", f"/api-keys?application_id={application.rpartition('/')[2]}")
    assert datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC) < timedelta(days=7)
    assert "expires soon" in (await admin.open(application)).text


async def test_a_key_is_replaced_and_the_old_one_is_refused_if_that_was_chosen(admin: Browser, system: System) -> None:
    application = await make(admin)
    path, key = await make_key(admin, application)
    assert "How long the old key goes on working" in (await admin.open(f"{path}/replace")).text
    done = await admin.submit(f"{path}/replace", f"{path}/replace", choice="86400")
    [second] = set(KEY.findall((await admin.open(done.headers["location"])).text))
    assert second != key
    assert works(system, second)
    assert works(system, key)


async def test_a_revoked_key_is_gone(admin: Browser, system: System) -> None:
    application = await make(admin)
    path, key = await make_key(admin, application)
    assert "refused within seconds" in (await admin.open(f"{path}/revoke")).text
    done = await admin.submit(f"{path}/revoke", f"{path}/revoke")
    assert done.headers["location"] == f"{application}?done=key-revoked"
    assert not works(system, key)
    assert "No key" in (await admin.open(application)).text
    assert (await admin.open(path)).status_code == 404


async def test_disabling_asks_first_and_can_be_undone(admin: Browser, system: System) -> None:
    application = await make(admin)
    for what, disabled in (("disable", True), ("enable", False)):
        assert "within seconds" in (await admin.open(f"{application}/{what}")).text
        done = await admin.submit(f"{application}/{what}", f"{application}/{what}")
        assert done.headers["location"] == f"{application}?done=application-{what}d"
        assert system.call("GET", application)["disabled"] is disabled


async def test_deleting_needs_the_name(admin: Browser, system: System) -> None:
    name = named()
    application = await make(admin, name=name)
    page = f"{application}/delete"
    refused = await admin.submit(page, page, typed="something else")
    assert refused.status_code == 422
    assert "Nothing was deleted." in refused.text
    assert system.call("GET", application)["name"] == name
    done = await admin.submit(page, page, typed=f" {name.upper()} ")
    assert done.headers["location"] == "/applications?done=application-deleted"
    assert (await admin.open(application)).status_code == 404


@pytest.mark.parametrize("path", ["x", "{}/keys/x", "{}/keys/{}", "{}"])
async def test_what_is_not_there_is_not_found(admin: Browser, path: str) -> None:
    assert (await admin.open(f"/applications/{path.format(uuid4(), uuid4())}")).status_code == 404


def test_the_state_of_a_key_is_a_word() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    key = ApiKey(
        id="1", name="n", prefix="p", application_id="a", owner_id="o", scopes=[], test=False, created_at=now,
        expires_at=None, last_used_at=None,
    )  # fmt: skip
    states = [
        state_of(key.model_copy(update={"expires_at": now + timedelta(days=days)}), now) for days in (365, 13, 0, -1)
    ]
    assert [state_of(key, now), *states] == ["active", "active", "expires soon", "expired", "expired"]
