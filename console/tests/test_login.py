"""Logging in and out, and what a login may see."""

import asyncio
from typing import Any
from uuid import uuid4

import pyotp
import pytest
from starlette.requests import Request
from starlette.responses import Response

from console.sessions import Session, SessionCookie, Tokens
from devstack.plan import ADMIN_EMAIL, ADMIN_PASSWORD
from testkit.eventually import eventually
from tests.visiting import Browser, System, settings

ADMINISTRATION = ("suppressions", "applications", "audit", "system")
PAGES = (
    "/", "/notifications", "/users", "/failed", "/templates", "/holds", f"/notifications/{uuid4()}",
    f"/users/{uuid4()}",
    *(f"/{name}" for name in ADMINISTRATION), "/suppressions/export", "/applications/keys",
)  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
async def test_a_stranger_is_sent_to_the_login_and_comes_back(visitor: Browser, path: str) -> None:
    sent = await visitor.open(path)
    assert sent.status_code == 303
    assert sent.headers["location"].startswith("/login")
    back = "" if path == "/" else path.replace("/", "%2F")
    assert back in sent.headers["location"]


async def test_a_wrong_password_is_said_calmly(visitor: Browser) -> None:
    page = await visitor.submit("/login", "/login", email=ADMIN_EMAIL, password="wrong-password")
    assert page.status_code == 401
    assert "The address or the password is wrong." in page.text
    assert ADMIN_EMAIL in page.text
    assert "wrong-password" not in page.text


@pytest.mark.parametrize(
    ("given", "leads_to"),
    [
        ("/failed?channel=push", "/failed?channel=push"),
        ("//evil.example/x", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/\r\nX: y", "/"),
    ],
)
async def test_after_the_login_only_pages_of_the_console_follow(visitor: Browser, given: str, leads_to: str) -> None:
    done = await visitor.submit("/login", "/login", email=ADMIN_EMAIL, password="embedded-admin", next=given)
    assert done.headers["location"] == leads_to


async def test_an_administrator_sees_every_section_and_a_user_only_notifications(
    visitor: Browser, system: System
) -> None:
    page = (await (await visitor.log_in()).open("/notifications")).text
    assert all(f'href="/{name}"' in page for name in ("notifications", "users", "failed", "templates", "holds"))
    assert 'href="/suppressions"' in page
    assert 'href="/audit"' not in page, "the administration's own row is for its pages"
    audit = (await visitor.open("/audit")).text
    assert all(f'href="/{name}"' in audit for name in ADMINISTRATION)
    email, password = f"{uuid4().hex}@example.com", uuid4().hex
    system.call("POST", "/users", {"name": "Sam", "email": email, "password": password})
    visitor.http.cookies.clear()
    page = (await (await visitor.log_in(email, password)).open("/notifications")).text
    assert not any(f'href="/{name}"' in page for name in ("users", "failed", "templates", "holds", *ADMINISTRATION))
    paths = ("/users", "/failed", "/templates", "/holds", f"/users/{uuid4()}", f"/users/{uuid4()}/erase")
    for path in (
        *paths,
        "/applications/keys",
        *(f"/{name}" for name in ADMINISTRATION),
        "/suppressions/export",
        "/system/live",
    ):
        refused = await visitor.open(path)
        assert refused.status_code == 403
        assert "You may not do this" in refused.text


async def test_a_key_sees_what_its_scopes_allow(visitor: Browser, system: System) -> None:
    done = await visitor.submit("/login", "/login/key", key=system.key("notifications:read"))
    assert done.status_code == 303
    page = (await visitor.open("/notifications")).text
    assert 'href="/failed"' in page
    assert 'href="/users"' not in page
    assert (await visitor.open("/users")).status_code == 403
    assert (await visitor.open("/suppressions")).status_code == 403


async def test_a_key_with_the_scope_admin_sees_the_administration(visitor: Browser, system: System) -> None:
    await visitor.submit("/login", "/login/key", key=system.key("admin"))
    for name in ADMINISTRATION:
        assert (await visitor.open(f"/{name}")).status_code == 200
    assert (await visitor.open("/suppressions/export")).headers["content-type"].startswith("text/csv")


@pytest.mark.parametrize("key", ["nk_live_unknown", "ä", "x\ty"])
async def test_an_unknown_key_is_said_calmly(visitor: Browser, key: str) -> None:
    page = await visitor.submit("/login", "/login/key", key=key)
    assert page.status_code in {401, 403}
    assert "key" in page.text


async def test_a_key_without_a_reading_scope_opens_nothing(visitor: Browser, system: System) -> None:
    page = await visitor.submit("/login", "/login/key", key=system.key("status:write"))
    assert page.status_code == 403
    assert "needs the scope" in page.text


async def test_logging_out_ends_the_session_at_the_gateway_too(admin: Browser, system: System) -> None:
    session = read(admin)
    done = await admin.submit("/notifications", "/logout")
    assert done.headers["location"] == "/login?done=logged-out"
    assert read(admin).person is None
    assert session.tokens
    again = system.http.post("/auth/refresh", json={"refresh_token": session.tokens.refresh})
    assert again.status_code == 401


async def test_a_second_factor_is_asked_for_in_a_second_step(visitor: Browser, system: System) -> None:
    me = system.call("GET", "/auth/me")["id"]
    secret = system.call("POST", f"/users/{me}/totp", {"current_password": ADMIN_PASSWORD})["secret"]
    confirmed = system.call("POST", f"/users/{me}/totp/confirm", {"code": pyotp.TOTP(secret).now()})
    one, other, *_ = confirmed["recovery_codes"]
    try:
        first = await visitor.submit("/login", "/login", email=ADMIN_EMAIL, password=ADMIN_PASSWORD, next="/users")
        assert first.headers["location"] == "/login/code?next=%2Fusers"
        assert ADMIN_PASSWORD not in (await visitor.open("/login/code")).text
        assert (await visitor.open("/users")).status_code == 303, "half a login is none"
        wrong = await visitor.submit("/login/code", "/login/code", code="000000")
        assert "This code is wrong" in wrong.text
        done = await visitor.submit("/login/code", "/login/code", code=one, next="/users")
        assert done.headers["location"] == "/users"
    finally:
        remove = {"current_password": ADMIN_PASSWORD, "code": other}
        assert system.http.request("DELETE", f"/users/{me}/totp", json=remove).is_success


async def test_the_second_step_is_for_those_who_did_the_first(visitor: Browser) -> None:
    assert (await visitor.open("/login/code")).headers["location"] == "/login"


async def test_tokens_that_are_about_to_expire_are_renewed_once_for_all_requests(admin: Browser) -> None:
    before = expire(admin)
    pages = await gathered(admin, "/notifications", "/users", "/templates")
    assert [page.status_code for page in pages] == [200, 200, 200]
    after = read(admin).tokens
    assert after
    assert after.access != before.access
    write(admin, tokens=before)  # a request that was under way still has the old ones
    assert (await admin.open("/notifications")).status_code == 200


async def test_a_session_that_has_ended_leads_to_the_login_and_back(admin: Browser, system: System) -> None:
    tokens = expire(admin)
    system.call("POST", "/auth/refresh", {"refresh_token": tokens.refresh})  # somebody else has used it
    sent = await admin.open("/failed?channel=email")
    assert sent.headers["location"] == "/login?next=%2Ffailed%3Fchannel%3Demail&done=ended"
    assert "Your session has ended" in (await admin.open(sent.headers["location"])).text


async def test_a_revoked_session_leads_to_the_login(admin: Browser, system: System) -> None:
    tokens = read(admin).tokens
    assert tokens
    system.http.post("/auth/logout", headers={"Authorization": f"Bearer {tokens.access}"}, json={})

    async def leads_to_the_login() -> bool:
        return (await admin.open("/notifications")).status_code == 303

    await eventually(leads_to_the_login)


async def test_the_part_of_a_page_that_follows_loads_the_page_anew_when_the_session_has_ended(visitor: Browser) -> None:
    part = await visitor.open(f"/notifications/{uuid4()}/live", **{"hx-request": "true"})
    assert (part.status_code, part.headers["hx-refresh"]) == (204, "true")


@pytest.mark.parametrize("value", ["", "x", "gAAAAABn", "é"])
async def test_a_cookie_that_is_not_ours_is_nobodys(visitor: Browser, value: str) -> None:
    page = await visitor.http.get("/notifications", headers=[(b"cookie", f"console={value}".encode())])
    assert page.status_code == 303


async def test_a_cookie_of_another_key_is_nobodys(admin: Browser, browsers: Any, system: System) -> None:
    other = await browsers(system.url, console_secret_key="another-" * 8)
    other.http.cookies.set("console", admin.http.cookies["console"])
    assert (await other.open("/notifications")).status_code == 303


async def test_a_session_ends_after_its_hours(admin: Browser) -> None:
    write(admin, began=read(admin).began - 11.9 * 3600)
    assert (await admin.open("/notifications")).status_code == 200
    write(admin, began=read(admin).began - 0.2 * 3600)
    assert (await admin.open("/notifications")).status_code == 303


def cookie() -> SessionCookie:
    return SessionCookie(settings("http://localhost:1"))


def read(browser: Browser) -> Session:
    value = browser.http.cookies["console"]
    return cookie().read(Request({"type": "http", "headers": [(b"cookie", f"console={value}".encode())]}))


def write(browser: Browser, **changes: object) -> None:
    carrier = Response()
    cookie().write(carrier, read(browser).model_copy(update=changes))
    value = carrier.headers["set-cookie"].split("console=")[1].split(";")[0]
    browser.http.cookies.delete("console")
    browser.http.cookies.set("console", value, domain="console.test", path="/")


def expire(browser: Browser) -> Tokens:
    tokens = read(browser).tokens
    assert tokens
    old = tokens.model_copy(update={"renew_at": 0.0, "expires_at": 0.0})
    write(browser, tokens=old)
    return old


async def gathered(browser: Browser, *paths: str) -> list[Any]:
    return await asyncio.gather(*(browser.open(path) for path in paths))
