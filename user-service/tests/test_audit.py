"""Every change is in the audit trail, in the same transaction: actor, action, target, address."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from httpx2 import Response
from sqlalchemy import text

from chassis.audit import Actor, AuditEvent, AuditQuestion, Change, RefusedAttempts, sweep
from chassis.observability.metrics import new_registry
from chassis.postgres.database import Database
from user_service.models import Base
from user_service.services.admins import AdminMaker, clear_totp, ensure_admin
from user_service.services.passwords import Passwords
from user_service.services.signing_keys import TooSoon

APPLICATIONS, KEYS = "/api/v1/applications", "/api/v1/api-keys"
NAME, EMAIL, TOKEN, NEW_EMAIL = "Marked Name", "marked@example.com", "marked-device", "marked.too@example.com"
KEY = {"name": "orders", "scopes": ["notifications:write"]}


@dataclass
class Scene:
    """An administrator, and a user who is the target of their actions."""

    world: "World"  # noqa: F821 - conftest's
    admin: "Person"  # noqa: F821 - conftest's
    user: "Person"  # noqa: F821 - conftest's

    async def as_admin(self, method: str, path: str, **body: object) -> Response:
        return await self.admin.call(method, path, **({"json": body} if body else {}))

    async def as_user(self, method: str, path: str, **body: object) -> Response:
        return await self.user.call(method, path, **({"json": body} if body else {}))

    async def application(self) -> str:
        made = await self.as_admin("POST", APPLICATIONS, name="orders")
        return f"{APPLICATIONS}/{made.json()['data']['id']}"

    async def key(self) -> str:
        made = await self.as_admin("POST", KEYS, **KEY)
        return f"{KEYS}/{made.json()['data']['id']}"

    async def device(self) -> str:
        found = await self.as_user("GET", f"{self.user.path}/push-tokens")
        return f"{self.user.path}/push-tokens/{found.json()['data'][0]['id']}"

    async def session(self) -> str:
        found = await self.as_user("GET", f"{self.user.path}/sessions")
        return f"{self.user.path}/sessions/{found.json()['data'][0]['id']}"


async def trail(world, **question: object) -> list[AuditEvent]:
    """Newest first."""
    async with world.database.begin() as connection:
        return list((await world.audit.find(connection, AuditQuestion(**question))).events)


async def rows(world) -> dict[str, list[str]]:
    """The content of every other table, except times that reading changes."""
    async with world.database.begin() as connection:
        return {
            table.name: sorted(
                (await connection.execute(text(f"SELECT to_jsonb(t) #>> '{{}}' FROM {table.name} t"))).scalars()
            )
            for table in Base.metadata.sorted_tables
            if table.name != "user_audit_events"
        }


@pytest.fixture
async def scene(make_world) -> Scene:
    """No mails are sent: the loop that hands them over would change rows while a test compares them."""
    world = await make_world(verify_emails=False)
    return Scene(world, await world.admin(), await world.user(name=NAME, email=EMAIL, push_token=TOKEN))


@dataclass
class Case:
    """`prepare` gives a path, where one has to be made first. `actor` and `target` are names with places in them."""

    action: str
    act: Callable[[Scene, str], Awaitable[Response]]
    prepare: Callable[[Scene], Awaitable[str]] | None = None
    actor: str = "user:{admin}"
    target: str = "user:{user}"


async def _disabled(scene: Scene) -> str:
    assert (await scene.as_admin("POST", f"{scene.user.path}/disable")).status_code == 200
    return f"{scene.user.path}/enable"


async def _used(scene: Scene) -> str:
    body = {"refresh_token": scene.user.refresh_token}
    assert (await scene.world.http.post("/api/v1/auth/refresh", json=body)).status_code == 200
    return scene.user.refresh_token


OWN = "user:{user}"
CASES = [
    Case("auth.login", lambda s, _: s.world.try_login(EMAIL), actor=OWN),
    Case("auth.logout", lambda s, _: s.as_user("POST", "/api/v1/auth/logout"), actor=OWN),
    Case(
        "session.ended",
        lambda s, token: s.world.http.post("/api/v1/auth/refresh", json={"refresh_token": token}),
        _used,
        actor="anonymous",
    ),
    Case("session.ended", lambda s, path: s.as_admin("DELETE", path), Scene.session),
    Case("session.ended", lambda s, _: s.as_admin("DELETE", f"{s.user.path}/sessions")),
    Case(
        "user.created",
        lambda s, _: s.world.http.post(
            "/api/v1/users", json={"name": NAME, "email": NEW_EMAIL, "password": "correct horse", "push_token": TOKEN}
        ),
        actor="anonymous",
        target="user:{made}",
    ),
    Case("user.changed", lambda s, _: s.as_user("PATCH", s.user.path, name="Other Marked Name"), actor=OWN),
    Case("user.changed", lambda s, _: s.as_user("PATCH", s.user.path, push_token="marked-device-2"), actor=OWN),
    Case("user.changed", lambda s, _: s.as_user("PATCH", f"{s.user.path}/preferences", email=False), actor=OWN),
    Case("user.changed", lambda s, _: s.as_user("PUT", f"{s.user.path}/preferences", email=True, push=False), actor=OWN),
    Case("user.changed", lambda s, _: s.as_user("PUT", f"{s.user.path}/push-token", push_token=None), actor=OWN),
    Case(
        "push_token.added",
        lambda s, _: s.as_user("POST", f"{s.user.path}/push-tokens", push_token="marked-device-2"),
        actor=OWN,
    ),
    Case(
        "push_token.removed",
        lambda s, _: s.as_admin("POST", f"{s.admin.path}/push-tokens", push_token=TOKEN),
        target=OWN,
    ),
    Case("push_token.removed", lambda s, _: s.as_user("DELETE", f"{s.user.path}/push-tokens?token={TOKEN}"), actor=OWN),
    Case("push_token.removed", lambda s, path: s.as_user("DELETE", path), Scene.device, actor=OWN),
    Case("user.address_changed", lambda s, _: s.as_admin("PATCH", s.user.path, email=NEW_EMAIL)),
    Case("user.address_changed", lambda s, _: s.as_admin("PUT", s.user.path, name=NAME, email=NEW_EMAIL)),
    Case("user.password_changed", lambda s, _: s.as_admin("PATCH", s.user.path, password="marked password")),
    Case("user.disabled", lambda s, _: s.as_admin("POST", f"{s.user.path}/disable")),
    Case("user.enabled", lambda s, path: s.as_admin("POST", path), _disabled),
    Case("user.deleted", lambda s, _: s.as_admin("DELETE", s.user.path)),
    Case("application.created", lambda s, _: s.as_admin("POST", APPLICATIONS, name="a"), target="application:{made}"),
    Case(
        "application.changed",
        lambda s, path: s.as_admin("PATCH", path, disabled=True),
        Scene.application,
        target="application:{path}",
    ),
    Case("application.deleted", lambda s, path: s.as_admin("DELETE", path), Scene.application, target="application:{path}"),
    Case("application.created", lambda s, _: s.as_admin("POST", KEYS, **KEY), target="application:{application}"),
    Case("api_key.created", lambda s, _: s.as_admin("POST", KEYS, **KEY), target="api_key:{made}"),
    Case("api_key.created", lambda s, path: s.as_admin("POST", f"{path}/rotate"), Scene.key, target="api_key:{made}"),
    Case("api_key.rotated", lambda s, path: s.as_admin("POST", f"{path}/rotate"), Scene.key, target="api_key:{path}"),
    Case("api_key.revoked", lambda s, path: s.as_admin("DELETE", path), Scene.key, target="api_key:{path}"),
]  # fmt: skip
EACH = pytest.mark.parametrize("case", CASES, ids=[f"{number}-{case.action}" for number, case in enumerate(CASES)])


@EACH
async def test_what_changes_something_is_recorded_with_who_and_from_where(scene: Scene, case: Case) -> None:
    path = await case.prepare(scene) if case.prepare else ""
    newest = (await trail(scene.world))[0].id
    scene.world.http.headers["X-Correlation-ID"] = "the-story"
    answer = await case.act(scene, path)
    made = (answer.json()["data"] or {}) if answer.status_code in {200, 201} else {}
    event = next(one for one in await trail(scene.world, first=newest, action=case.action) if one.id != newest)
    names = {
        "admin": scene.admin.id,
        "user": scene.user.id,
        "made": made.get("id"),
        "application": made.get("application_id"),
        "path": path.split("/")[-1],
    }
    assert (event.actor, event.target) == (case.actor.format(**names), case.target.format(**names))
    assert (event.address, event.correlation_id) == ("192.0.2.1", "the-story")
    assert timedelta(0) <= datetime.now(UTC) - event.occurred_at < timedelta(seconds=60)
    async with scene.world.database.begin() as connection:
        kept = "".join((await connection.execute(text("SELECT to_jsonb(t)::text FROM user_audit_events t"))).scalars())
    assert "marked" not in kept.lower()


@EACH
async def test_without_its_event_nothing_changes(scene: Scene, case: Case) -> None:
    path = await case.prepare(scene) if case.prepare else ""
    before = await rows(scene.world)
    async with scene.world.database.begin() as connection:
        await connection.execute(text("ALTER TABLE user_audit_events RENAME TO taken_away"))
    assert (await case.act(scene, path)).status_code == 500
    assert await rows(scene.world) == before


async def test_a_change_that_is_rolled_back_leaves_no_event(world) -> None:
    async def fail() -> None:
        async with world.database.begin() as connection:
            await world.audit.record(connection, Actor("command"), "user.disabled", "user:1")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await trail(world, action="user.disabled") == []


async def test_before_and_after_have_the_changed_fields_only(scene: Scene) -> None:
    await scene.as_admin("PATCH", scene.user.path, name=NAME, language="de", email=NEW_EMAIL)
    [event] = await trail(scene.world, action="user.address_changed")
    assert event.before.keys() == event.after.keys() == {"language", "email"}
    assert (event.before["language"], event.after["language"]) == (None, "de")
    [created] = [one for one in await trail(scene.world, action="user.created") if one.target.endswith(scene.user.id)]
    assert created.after["email"] == event.before["email"] != event.after["email"]


async def test_what_changes_nothing_is_no_event(scene: Scene) -> None:
    await scene.as_user("PATCH", scene.user.path, name=NAME)
    await scene.as_admin("POST", f"{scene.user.path}/enable")
    await scene.as_user("PUT", f"{scene.user.path}/preferences", email=True, push=True)
    path = await scene.application()
    await scene.as_admin("PATCH", path, name="orders")
    for action in ("user.changed", "user.enabled", "application.changed"):
        assert await trail(scene.world, action=action) == []


async def test_an_api_key_acts_for_its_application_and_is_named(world) -> None:
    key, user = await world.api_key("users:write", "users:read"), await world.user()
    assert (await key.call("PATCH", user.path, json={"language": "de"})).status_code == 200
    [event] = await trail(world, action="user.changed")
    assert (event.actor, str(event.api_key_id)) == (f"key:{key.application_id}", key.id)


async def test_an_applications_sender_is_recorded_without_its_addresses(scene: Scene) -> None:
    path = await scene.application()
    await scene.as_admin("PATCH", path, sender={"from_name": "Orders", "reply_to": EMAIL})
    await scene.as_admin("PATCH", path, sender={"from_name": "Orders", "reply_to": EMAIL})
    await scene.as_admin("PATCH", path, sender=None)
    gone, made = await trail(scene.world, action="application.changed")
    assert made.after.keys() == gone.before.keys() == {"sender_name", "sender_reply_to"}
    assert (made.after["sender_name"], gone.after["sender_name"]) == ("Orders", None)
    assert str(made.after["sender_reply_to"]).startswith("hmac:")
    assert EMAIL not in str((made, gone))


CONTACT = "/api/v1/users/external/marked-17"


async def test_contacts_are_recorded_one_by_one_and_counted_where_they_come_in_bulk(world) -> None:
    key, given = await world.api_key("users:write"), {"name": NAME, "email": EMAIL}
    for body in (given, given, {**given, "email": NEW_EMAIL}):
        assert (await key.call("PUT", CONTACT, json=body)).is_success
    bulk = [{**given, "external_id": name} for name in ("marked-17", "marked-18")]
    assert (await key.call("POST", "/api/v1/users/bulk", json={"contacts": bulk})).is_success
    assert (await key.call("POST", "/api/v1/users", json={**given, "external_id": "marked-19"})).status_code == 201
    events = (await trail(world, actor=f"key:{key.application_id}"))[::-1]
    actions = ["user.created", "user.address_changed", "contacts.written", "user.created"]
    assert [one.action for one in events] == actions
    assert events[1].before.keys() == events[1].after.keys() == {"email"}
    assert (events[2].target, events[2].after) == (f"application:{key.application_id}", {"created": 1, "updated": 1})
    assert "marked" not in str(events).lower()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", CONTACT, {"name": NAME, "email": EMAIL}),
        ("POST", "/api/v1/users/bulk", {"contacts": [{"name": NAME, "email": EMAIL, "external_id": "x"}]}),
        ("POST", "/api/v1/users", {"name": NAME, "email": EMAIL}),
    ],
)
async def test_without_its_event_no_contact_is_written(world, method: str, path: str, body: dict) -> None:
    key = await world.api_key("users:write")
    async with world.database.begin() as connection:
        await connection.execute(text("ALTER TABLE user_audit_events RENAME TO taken_away"))
    before = (await rows(world))["users"]
    assert (await key.call(method, path, json=body)).status_code == 500
    assert (await rows(world))["users"] == before


async def test_refused_logins_are_recorded_by_mailbox_whether_or_not_it_is_a_users(scene: Scene) -> None:
    for email in (EMAIL.upper(), "marked.stranger@example.com"):
        assert (await scene.world.try_login(email, "marked wrong")).status_code == 401
    strangers, users = await trail(scene.world, action="auth.login_refused")
    assert (users.actor, users.address, users.after) == ("anonymous", "192.0.2.1", {"outcome": "refused"})
    login = (await trail(scene.world, action="auth.login", target=f"user:{scene.user.id}"))[0]
    assert users.target == f"mailbox:{login.after['email']}" != strangers.target
    assert "marked" not in f"{users}{strangers}".lower()


async def test_throttled_logins_are_recorded(make_world) -> None:
    world = await make_world(login_failures=1)
    user = await world.sign_up()
    for _ in range(2):
        await world.try_login(user["email"], "wrong")
    # One event for an account and address in a minute, whatever its outcome.
    assert [one.after for one in await trail(world, action="auth.login_refused")] == [{"outcome": "refused"}]
    assert (
        await world.http.post("/api/v1/auth/login", json={"email": "x@example.com", "password": "x"})
    ).status_code == 401


async def test_a_stranger_can_make_the_service_write_so_much_only(scene: Scene) -> None:
    for number in range(15):
        await scene.world.try_login(f"{number}@example.com", "wrong")
    assert len(await trail(scene.world, action="auth.login_refused")) == 10
    for _ in range(3):
        async with scene.world.seen_from("192.0.2.99") as elsewhere:
            await elsewhere.post("/api/v1/auth/login", json={"email": EMAIL, "password": "wrong"})
    assert len([one for one in await trail(scene.world) if one.address == "192.0.2.99"]) == 1


async def test_from_many_addresses_no_more_is_written_than_sixty_a_minute(world) -> None:
    attempts, began = RefusedAttempts(world.database, world.audit), time.monotonic()
    for number in range(100):
        await attempts.note(Actor("anonymous", None, f"192.0.2.{number}"), "auth.login_refused", "mailbox:x")
    paid_back = int(time.monotonic() - began)  # one a second
    assert 60 <= len(await trail(world, action="auth.login_refused")) <= 60 + paid_back


async def test_a_refusal_stays_one_while_the_database_is_down(world, unused_tcp_port: int) -> None:
    away = Database(f"postgresql+asyncpg://nobody:nothing@127.0.0.1:{unused_tcp_port}/none")
    await RefusedAttempts(away, world.audit).note(Actor("anonymous"), "auth.login_refused", "mailbox:x")
    await away.close()


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("POST", APPLICATIONS, "/api/v1/applications"),
        ("DELETE", "/api/v1/api-keys/01997a5c-3f6e-7c1a-9b1e-0d1f2a3b4c5d", "/api/v1/api-keys/{key_id}"),
        ("GET", "/api/v1/users", "/api/v1/users"),
    ],
)
async def test_who_is_refused_a_route_for_administrators_is_recorded(
    scene: Scene, method: str, path: str, route: str
) -> None:
    for _ in range(3):
        assert (await scene.as_user(method, path, **({"name": "x"} if method == "POST" else {}))).status_code == 403
    [event] = await trail(scene.world, action="access.refused")
    assert (event.actor, event.target) == (f"user:{scene.user.id}", f"route:{method} {route}")


async def test_commands_are_recorded(world) -> None:
    given = {"name": NAME, "password": "an admin's password"}
    with closing(Passwords(new_registry(), workers=1)) as passwords:
        maker = AdminMaker(world.database, passwords, world.audit)
        await ensure_admin(maker, email=EMAIL, **given)
        await world.sign_up(NEW_EMAIL)
        await ensure_admin(maker, email=NEW_EMAIL, **given, promote=True)
    made, promoted = (await trail(world, actor="command"))[::-1]
    assert (made.action, made.after["role"]) == ("user.created", "admin")
    assert (promoted.action, promoted.before["role"], promoted.after["role"]) == ("user.promoted", "user", "admin")


async def test_a_device_that_a_provider_called_dead_is_recorded_at_its_user(scene: Scene) -> None:
    path = f"/internal/users/{scene.user.id}/push-tokens/remove"
    headers = scene.world.service_headers(caller="push-service")
    for _ in range(2):
        assert (await scene.world.http.post(path, json={"token": TOKEN}, headers=headers)).status_code == 200
    [event] = await trail(scene.world, action="push_token.removed")
    assert (event.actor, event.target) == ("service:push-service", f"user:{scene.user.id}")


async def test_a_second_factor_that_a_command_takes_away_is_recorded(world) -> None:
    admin = await world.admin()
    async with world.database.begin() as connection:
        statement = "INSERT INTO user_totp (user_id, secret_encrypted) VALUES (:user_id, 'x')"
        await connection.execute(text(statement), {"user_id": admin.id})
    for removed in (True, False):
        assert await clear_totp(world.database, world.audit, admin.email) is removed
    [event] = await trail(world, action="totp.reset")
    assert (event.actor, event.target) == ("command", f"user:{admin.id}")


async def test_signing_keys_are_recorded(world) -> None:
    keys = world.app.state.services.signing_keys
    [made] = await trail(world, action="signing_key.created")
    assert made.actor == "service:user-service"
    with pytest.raises(TooSoon):
        await keys.rotate()
    assert await trail(world, action="signing_key.rotated") == []
    async with world.database.begin() as connection:
        await connection.execute(text("UPDATE signing_keys SET created_at = now() - interval '1 hour'"))
    kid = await keys.rotate()
    [rotated] = await trail(world, action="signing_key.rotated")
    assert (rotated.actor, rotated.target) == ("command", f"signing_key:{kid}")


async def test_simultaneous_events_are_listed_in_the_order_of_their_ids(world) -> None:
    async def write(number: int) -> None:
        async with world.database.begin() as connection:
            await world.audit.record(connection, Actor("command"), "test.done", f"test:{number}", Change({}, {}))

    await asyncio.gather(*map(write, range(20)))
    found = await trail(world, action="test.done")
    assert [one.id for one in found] == sorted((one.id for one in found), reverse=True)
    assert len(found) == 20


async def test_what_is_older_than_the_retention_is_removed(make_world) -> None:
    world = await make_world(audit_retention_days=3_650)  # its own loop leaves them alone
    async with world.database.begin() as connection:
        await world.audit.record(connection, Actor("command"), "test.done", "test:new")
        await connection.execute(
            text(
                "INSERT INTO user_audit_events SELECT '0180e0ac-0000-7000-8000-000000000000', now() - interval '4 years', "
                "actor, api_key_id, address, action, 'test:old', before, after, correlation_id "
                "FROM user_audit_events WHERE action = 'test.done'"
            )
        )
    assert len(await trail(world, action="test.done")) == 2
    assert await sweep(world.database, world.audit, retention_days=365) == 1
    assert [one.target for one in await trail(world, action="test.done")] == ["test:new"]


async def test_other_services_ask_for_events_by_a_service_token(scene: Scene) -> None:
    asked = {"params": {"action": "auth.login", "limit": "1"}}
    answer = await scene.world.http.get("/internal/audit", headers=scene.world.service_headers(), **asked)
    data = answer.json()["data"]
    assert (data["total"], len(data["events"]), data["events"][0]["action"]) == (2, 1, "auth.login")
    assert (await scene.as_admin("GET", "/internal/audit")).status_code == 401
