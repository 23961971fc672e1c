"""Applications send. Their keys are rotated; the applications stay."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text

from chassis.postgres.database import Database
from chassis.postgres.migrations import migrate
from chassis.security import api_key_cache, hash_api_key
from contracts.services import API_GATEWAY

PATH, KEYS = "/api/v1/applications", "/api/v1/api-keys"


async def _made(admin, **body: object) -> dict:
    answer = await admin.call("POST", PATH, json={"name": "orders", **body})
    assert answer.status_code == 201, answer.text
    return answer.json()["data"]


async def _key(admin, **body: object) -> dict:
    answer = await admin.call("POST", KEYS, json={"name": "k", "scopes": ["users:read"], **body})
    assert answer.status_code == 201, answer.text
    return answer.json()["data"]


async def _info(world, key: str) -> dict | None:
    answer = await world.http.post(
        "/internal/api-keys/find", json={"hash": hash_api_key(key)}, headers=world.service_headers()
    )
    return answer.json()["data"] if answer.status_code == 200 else None


async def test_an_application_is_made_changed_listed_and_deleted(world) -> None:
    admin = await world.admin()
    made = await _made(admin, rate_limit_per_minute=60, channels=["push", "email", "push"])
    assert (made["owner_id"], made["channels"], made["disabled"]) == (admin.id, ["email", "push"], False)
    path = f"{PATH}/{made['id']}"
    changed = await admin.call("PATCH", path, json={"channels": None, "rate_limit_per_minute": 120})
    assert {**made, **changed.json()["data"]} == changed.json()["data"]
    assert (changed.json()["data"]["channels"], changed.json()["data"]["rate_limit_per_minute"]) == (None, 120)
    assert (await admin.call("GET", path)).json()["data"] == changed.json()["data"]
    listed = (await admin.call("GET", PATH)).json()
    assert (listed["meta"]["total"], [one["id"] for one in listed["data"]]) == (1, [made["id"]])
    key = await _key(admin, application_id=made["id"])
    assert (await admin.call("DELETE", path)).status_code == 200
    for method in ("GET", "DELETE"):
        assert (await admin.call(method, path)).json()["error"] == "application_not_found"
    assert (await admin.call("PATCH", path, json={"name": "x"})).json()["error"] == "application_not_found"
    assert (await world.http.get("/api/v1/users", headers={"X-API-Key": key["key"]})).status_code == 401


async def test_only_administrators_handle_applications(world) -> None:
    made = await _made(await world.admin())
    user, key = await world.user(), await world.api_key("users:read", "users:write")
    for caller in (user, key):
        for method, path in (
            ("GET", PATH),
            ("POST", PATH),
            *((m, f"{PATH}/{made['id']}") for m in ("GET", "PATCH", "DELETE")),
        ):
            body = {"json": {"name": "x"}} if method in {"POST", "PATCH"} else {}
            assert (await caller.call(method, path, **body)).status_code == 403, (method, path)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "x", "channels": []},
        {"name": "x", "channels": ["sms"]},
        {"name": "x", "rate_limit_per_minute": 0},
    ],
)
async def test_a_senseless_application_is_not_made(world, body: dict) -> None:
    admin = await world.admin()
    assert (await admin.call("POST", PATH, json=body)).status_code == 422


async def test_keys_of_one_application_are_one_caller_and_bring_its_bounds(world) -> None:
    admin = await world.admin()
    made = await _made(admin, rate_limit_per_minute=60, channels=["email"])
    keys = [await _key(admin, application_id=made["id"]) for _ in range(2)]
    for key in keys:
        info = await _info(world, key["key"])
        assert (info["application_id"], info["rate_limit"], info["channels"]) == (made["id"], 60, ["email"])
    listed = (await admin.call("GET", f"{KEYS}?application_id={made['id']}")).json()["data"]
    assert {one["id"] for one in listed} == {one["id"] for one in keys}
    alone = await _key(admin)
    assert alone["application_id"] not in {made["id"], alone["id"]}
    missing = await admin.call("POST", KEYS, json={"name": "k", "application_id": admin.id})
    assert (missing.status_code, missing.json()["error"]) == (404, "application_not_found")


async def test_changing_an_application_invalidates_cached_copies_of_its_keys(world, redis) -> None:
    admin = await world.admin()
    made = await _made(admin)
    key = (await _key(admin, application_id=made["id"]))["key"]
    copy, headers = f"{api_key_cache(API_GATEWAY)}:{hash_api_key(key)}", {"X-API-Key": key}
    for change, status in (({"disabled": True}, 401), ({"disabled": False}, 200)):
        await redis.set(copy, b"a reader's copy")
        assert (await admin.call("PATCH", f"{PATH}/{made['id']}", json=change)).status_code == 200
        assert await redis.get(copy) == b""
        assert (await world.http.get("/api/v1/users", headers=headers)).status_code == status


ORDERS = {"from_name": "Orders", "from_email": "orders@bücher.example", "reply_to": "help@example.org"}
NOTHING = dict.fromkeys(ORDERS)


async def test_an_application_has_a_sender_of_its_own(make_world, redis) -> None:
    world = await make_world(sender_domains="example.com, XN--bcher-kva.example")
    admin = await world.admin()
    made = await _made(admin, sender=ORDERS)
    assert made["sender"] == ORDERS
    path, key = f"{PATH}/{made['id']}", (await _key(admin, application_id=made["id"]))["key"]
    copy = f"{api_key_cache(API_GATEWAY)}:{hash_api_key(key)}"
    changes = (
        ({"name": "x"}, ORDERS),
        ({"sender": {"from_name": "Desk"}}, {**NOTHING, "from_name": "Desk"}),
        ({"sender": {"from_email": " Orders@Example.COM"}}, {**NOTHING, "from_email": "Orders@example.com"}),
        ({"sender": {"reply_to": "a@b.example"}}, {**NOTHING, "reply_to": "a@b.example"}),
        ({"sender": None}, None),
        ({"sender": {}}, None),
    )
    for change, expected in changes:
        await redis.set(copy, b"a reader's copy")
        changed = await admin.call("PATCH", path, json=change)
        assert (changed.status_code, changed.json()["data"]["sender"]) == (200, expected), change
        assert await redis.get(copy) == b""
        assert (await admin.call("GET", path)).json()["data"]["sender"] == expected
        assert (await _info(world, key))["sender"] == expected
    assert (await _info(world, (await _key(admin))["key"]))["sender"] is None


@pytest.mark.parametrize("domains", ["", "example.com, example.net"])
async def test_it_sends_from_the_deployments_domains_only(make_world, domains) -> None:
    world = await make_world(sender_domains=domains)
    admin = await world.admin()
    path = f"{PATH}/{(await _made(admin))['id']}"
    for address in ("a@example.org", "a@mail.example.com", "a@example.com.example.org"):
        body = {"sender": {"from_email": address}}
        for refused in (
            await admin.call("POST", PATH, json={"name": "x", **body}),
            await admin.call("PATCH", path, json={"name": "x", **body}),
        ):
            assert (refused.status_code, refused.json()["error"]) == (422, "sender_domain_not_allowed")
            assert refused.json()["data"]["errors"][0]["field"] == "sender.from_email"
    assert (await admin.call("GET", path)).json()["data"]["name"] == "orders"
    assert (await _made(admin, sender={"from_name": "Orders"}))["sender"]["from_name"] == "Orders"
    assert (await admin.call("GET", PATH)).json()["meta"]["total"] == 2


@pytest.mark.parametrize(
    "sender",
    [
        {"from_name": "two\r\nBcc: v@e.example"}, {"from_name": ""}, {"from_email": "no address"},
        {"from_email": "a@example.com, b@example.com"}, {"from_email": "ü@example.com"}, {"reply_to": "ü@example.com"},
        {"reply_to": "a@example.com\nBcc: v@e.example"}, "Orders",
    ],
)  # fmt: skip
async def test_a_sender_is_one_line_and_single_addresses(make_world, sender) -> None:
    world = await make_world(sender_domains="example.com")
    refused = await (await world.admin()).call("POST", PATH, json={"name": "x", "sender": sender})
    assert (refused.status_code, refused.json()["error"]) == (422, "validation_error")


async def test_a_key_has_its_form_no_scopes_by_default_and_a_year(world) -> None:
    admin = await world.admin()
    made = (await admin.call("POST", KEYS, json={"name": "k"})).json()["data"]
    assert re.fullmatch(r"nk_live_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}", made["key"])
    assert made["prefix"] == made["key"][:20]
    assert made["scopes"] == []
    left = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=364) < left <= timedelta(days=365)
    assert (await world.http.get("/api/v1/users", headers={"X-API-Key": made["key"]})).status_code == 403
    later = (datetime.now(UTC) + timedelta(days=367)).isoformat()
    assert (await admin.call("POST", KEYS, json={"name": "k", "expires_at": later})).status_code == 422


async def test_a_test_key_says_so_and_is_replaced_by_one(world) -> None:
    admin = await world.admin()
    made = await _key(admin, test=True)
    again = (await admin.call("POST", f"{KEYS}/{made['id']}/rotate")).json()["data"]
    for key in (made, again):
        assert key["key"].startswith("nk_test_")
        assert key["test"]
        assert (await _info(world, key["key"]))["test"]
    assert not (await _info(world, (await _key(admin))["key"]))["test"]


async def test_a_rotated_key_stays_good_for_a_while(world) -> None:
    admin = await world.admin()
    old = await _key(admin)
    rotated = await admin.call("POST", f"{KEYS}/{old['id']}/rotate", json={"overlap_seconds": 60})
    new = rotated.json()["data"]
    assert (rotated.status_code, rotated.headers["Cache-Control"]) == (201, "no-store")
    same = ("application_id", "name", "scopes", "owner_id")
    assert [new[name] for name in same] == [old[name] for name in same]
    assert new["key"] != old["key"]
    for key in (old["key"], new["key"]):
        assert (await world.http.get("/api/v1/users", headers={"X-API-Key": key})).status_code == 200
    async with world.database.begin() as connection:
        left = text("SELECT extract(epoch FROM expires_at - now()) FROM api_keys WHERE id = :id")
        assert 50 < (await connection.execute(left, {"id": old["id"]})).scalar_one() <= 60
    await admin.call("POST", f"{KEYS}/{new['id']}/rotate", json={"overlap_seconds": 0})
    assert (await world.http.get("/api/v1/users", headers={"X-API-Key": new["key"]})).status_code == 401
    assert (await admin.call("POST", f"{KEYS}/{admin.id}/rotate")).json()["error"] == "api_key_not_found"


async def test_a_key_with_more_than_its_maker_has_is_not_made_by_rotation(world) -> None:
    strong = await world.api_key("admin")
    assert (await strong.call("POST", f"{KEYS}/{strong.id}/rotate")).status_code == 201


BEFORE = """
WITH maker AS (
    INSERT INTO users (id, name, email, email_key, password_hash, role)
    VALUES (gen_random_uuid(), 'Ada', 'a@example.com', 'a@example.com', 'x', 'admin') RETURNING id
)
INSERT INTO api_keys (id, user_id, name, prefix, key_hash, scopes)
SELECT gen_random_uuid(), id, 'orders', 'nk_x', 'h', '{notifications:write}' FROM maker
"""
AFTER = "SELECT a.id = k.id, a.name, k.scopes FROM applications a JOIN api_keys k ON k.application_id = a.id"


async def test_keys_from_before_become_applications_with_their_ids(databases) -> None:
    url = await databases(None)
    alembic = Path(__file__).parent.parent / "alembic"
    await migrate(alembic, url, revision="0003")
    database = Database(url)
    async with database.begin() as connection:
        await connection.execute(text(BEFORE))
    await migrate(alembic, url)
    async with database.begin() as connection:
        row = (await connection.execute(text(AFTER))).one()
    await database.close()
    assert tuple(row) == (True, "orders", ["notifications:write", "notifications:urgent"])


async def test_privileged_fields_in_a_body_never_take_effect(world) -> None:
    admin, narrow = await world.admin(), await world.api_key("users:read")
    smuggled = {
        "id": str(uuid4()),
        "user_id": str(uuid4()),
        "role": "admin",
        "status": "x",
        "key": "nk_live_x",
        "hash": "x",
    }
    made = (await admin.call("POST", "/api/v1/applications", json={"name": "shop", **smuggled})).json()["data"]
    path = f"/api/v1/applications/{made['id']}"
    changed = (await admin.call("PATCH", path, json={"name": "store", **smuggled})).json()["data"]
    assert smuggled["id"] != made["id"] == changed["id"]
    body = {"name": "k", "application_id": made["id"], **smuggled}
    key = (await admin.call("POST", "/api/v1/api-keys", json=body)).json()["data"]
    assert (key["id"] == smuggled["id"], key["key"] == smuggled["key"], key["scopes"]) == (False, False, [])
    assert (await narrow.call("POST", "/api/v1/api-keys", json={**body, "scopes": ["admin"]})).status_code == 403
