"""API keys."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from chassis.security import api_key_cache, hash_api_key

PATH = "/api/v1/api-keys"


async def test_a_key_is_shown_once_and_kept_as_a_hash(world) -> None:
    admin = await world.admin()
    made = await admin.call("POST", PATH, json={"name": "orders", "scopes": ["users:read", "users:read"]})
    data = made.json()["data"]
    assert made.status_code == 201
    assert data["key"].startswith("nk_")
    assert data["key"].startswith(data["prefix"])
    assert data["scopes"] == ["users:read"]
    listed = await admin.call("GET", PATH)
    assert listed.json()["meta"]["total"] == 1
    assert "key" not in listed.json()["data"][0]
    assert data["key"] not in listed.text
    async with world.database.begin() as connection:
        row = (await connection.execute(text("SELECT api_keys::text FROM api_keys"))).scalar_one()
    assert data["key"] not in row
    assert hash_api_key(data["key"]) in row


async def test_only_administrators_handle_keys(world) -> None:
    user, key = await world.user(), await world.api_key("users:read", "users:write")
    for caller in (user, key):
        assert (await caller.call("GET", PATH)).status_code == 403
        assert (await caller.call("POST", PATH, json={"name": "x", "scopes": ["users:read"]})).status_code == 403
        assert (await caller.call("DELETE", f"{PATH}/{key.id}")).status_code == 403
    assert (await world.http.get(PATH)).status_code == 401


async def test_a_narrow_key_of_an_administrator_makes_no_keys_and_an_admin_key_does(world) -> None:
    admin_key = await world.api_key("admin")
    made = await admin_key.call("POST", PATH, json={"name": "x", "scopes": ["admin", "templates:read"]})
    assert made.status_code == 201
    assert made.json()["data"]["owner_id"] == admin_key.owner.id


async def test_a_revoked_key_is_refused_at_once(world, redis) -> None:
    key = await world.api_key("users:read")
    assert (await key.call("GET", "/api/v1/users")).status_code == 200
    caches = ("api-key", api_key_cache("api-gateway"), api_key_cache("template-service"))
    copies = [f"{cache}:{hash_api_key(key.key)}" for cache in caches]
    await redis.mset(dict.fromkeys(copies, b"a reader's copy"))
    assert (await key.owner.call("DELETE", f"{PATH}/{key.id}")).status_code == 200
    assert (await key.call("GET", "/api/v1/users")).status_code == 401
    assert await redis.mget(copies) == [b""] * 3
    assert (await key.owner.call("DELETE", f"{PATH}/{key.id}")).json()["error"] == "api_key_not_found"


async def test_a_key_expires(world) -> None:
    admin = await world.admin()
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    made = await admin.call("POST", PATH, json={"name": "x", "scopes": ["users:read"], "expires_at": soon})
    headers = {"Authorization": f"Bearer {made.json()['data']['key']}"}
    assert (await world.http.get("/api/v1/users", headers=headers)).status_code == 200
    async with world.database.begin() as connection:
        await connection.execute(text("UPDATE api_keys SET expires_at = now()"))
    assert (await world.http.get("/api/v1/users", headers=headers)).status_code == 401


async def test_the_keys_of_a_deleted_administrator_are_gone(world) -> None:
    key, other = await world.api_key("users:read"), await world.admin()
    assert (await other.call("DELETE", key.owner.path)).status_code == 200
    assert (await key.call("GET", "/api/v1/users")).status_code == 401


async def test_the_last_use_is_noted(world) -> None:
    key = await world.api_key("users:read")
    listed = (await key.owner.call("GET", PATH)).json()["data"][0]
    assert listed["last_used_at"] is None
    await key.call("GET", "/api/v1/users")
    assert (await key.owner.call("GET", PATH)).json()["data"][0]["last_used_at"]


SENSELESS = [
    {"name": "x", "scopes": ["root"]},
    {"name": "x", "scopes": ["users:*"]},
    {"name": "", "scopes": ["users:read"]},
    {"name": "x\x00", "scopes": ["users:read"]},
    {"name": "x", "scopes": ["users:read"], "expires_at": "2020-01-01T00:00:00Z"},
    {"name": "x", "scopes": ["users:read"], "expires_at": "2100-01-01T00:00:00Z"},
    {"name": "x", "scopes": ["users:read"], "expires_at": 1e300},
    {"name": "x", "scopes": ["users:read"], "expires_at": "9999-12-31T23:59:59-23:00"},
    {"name": "x", "scopes": ["users:read"], "expires_at": "0001-01-01T00:00:00+23:00"},
]


async def test_a_senseless_key_is_not_made(world) -> None:
    admin = await world.admin()
    for body in SENSELESS:
        assert (await admin.call("POST", PATH, json=body)).status_code == 422, body


async def test_a_key_works_for_programs_only(world) -> None:
    key = await world.api_key("admin")
    assert (await key.call("GET", "/api/v1/auth/me")).status_code == 403
    assert (await key.call("POST", "/api/v1/auth/logout")).status_code == 403
