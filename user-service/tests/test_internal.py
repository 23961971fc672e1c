"""What other services ask, and how they learn of changes."""

import itertools
from uuid import uuid4

from chassis.security import hash_api_key
from contracts.lookups import API_GATEWAY, USER_CACHE, ApiKeyInfo, UserContact


async def test_the_gateway_learns_how_to_reach_a_user(world) -> None:
    user = await world.user(push_token="t1", language="pt-BR", preferences={"push": False})
    answer = await world.http.get(f"/internal/users/{user.id}", headers=world.service_headers())
    contact = UserContact.model_validate(answer.json()["data"])
    assert (str(contact.id), contact.name, contact.email) == (user.id, "Ada", user.email)
    assert (contact.language, contact.preferences.email, contact.preferences.push) == ("pt-BR", True, False)
    assert [(token.provider, token.token) for token in contact.push_tokens] == [("fcm", "t1")]


async def test_a_missing_user_is_not_found(world) -> None:
    answer = await world.http.get(f"/internal/users/{uuid4()}", headers=world.service_headers())
    assert (answer.status_code, answer.json()["error"]) == (404, "user_not_found")


async def test_a_key_is_found_by_its_hash(world) -> None:
    key = await world.api_key("users:read", "templates:read")
    find = "/internal/api-keys/find"
    answer = await world.http.post(find, json={"hash": hash_api_key(key.key)}, headers=world.service_headers())
    info = ApiKeyInfo.model_validate(answer.json()["data"])
    assert (str(info.id), str(info.user_id)) == (key.id, key.owner.id)
    assert info.scopes == ("templates:read", "users:read")
    unknown = await world.http.post(find, json={"hash": "0" * 64}, headers=world.service_headers())
    assert unknown.status_code == 404
    assert (await world.http.post(find, json={"hash": "x"}, headers=world.service_headers())).status_code == 422


async def test_a_worker_drops_a_dead_token_once(world) -> None:
    user = await world.user(push_token="dead")
    path = f"/internal/users/{user.id}/push-tokens/remove"
    removed = []
    for _ in range(2):
        answer = await world.http.post(path, json={"token": "dead"}, headers=world.service_headers())
        assert answer.status_code == 200
        removed.append(answer.json()["data"]["removed"])
    assert removed == [True, False]
    assert (await user.call("GET")).json()["data"]["push_token"] is None


ROUTES = (
    ("GET", "/internal/users/{id}"),
    ("POST", "/internal/api-keys/find"),
    ("POST", "/internal/users/{id}/push-tokens/remove"),
)


async def test_only_a_service_token_for_this_service_opens_the_internal_routes(world) -> None:
    admin, key = await world.admin(), await world.api_key("admin")
    wrong = (
        {},
        {"Authorization": f"Bearer {admin.token}"},
        {"X-API-Key": key.key},
        {"Authorization": f"Bearer {key.key}"},
        world.service_headers(audience=API_GATEWAY),
    )
    body = {"hash": "x", "token": "x"}
    for (method, path), headers in itertools.product(ROUTES, wrong):
        answer = await world.http.request(method, path.format(id=admin.id), headers=headers, json=body)
        assert answer.status_code == 401, (path, headers)


async def test_the_internal_routes_are_not_documented(world) -> None:
    paths = (await world.http.get("/openapi.json")).json()["paths"]
    assert not [path for path in paths if path.startswith("/internal")]
    assert "/api/v1/users/{user_id}/push-token" in paths


CHANGES = (
    ("PATCH", "", {"name": "Grace"}),
    ("PUT", "/preferences", {"email": False, "push": False}),
    ("PATCH", "/preferences", {"push": False}),
    ("POST", "/push-tokens", {"push_token": "t9"}),
    ("DELETE", "/push-tokens?token=t1", None),
    ("PUT", "/push-token", {"push_token": "t8"}),
    ("DELETE", "", None),
)


async def test_every_change_of_a_user_takes_the_readers_copies_away(world, redis) -> None:
    user = await world.user(push_token="t1")
    copy = f"{USER_CACHE}:{user.id}"
    for method, path, body in CHANGES:
        await redis.set(copy, b"an old copy")
        assert (await user.call(method, user.path + path, json=body)).is_success, (method, path)
        assert not await redis.get(copy), (method, path)


async def test_a_dead_token_s_removal_takes_the_readers_copies_away(world, redis) -> None:
    user = await world.user(push_token="t1")
    copy = f"{USER_CACHE}:{user.id}"
    await redis.set(copy, b"an old copy")
    path = f"/internal/users/{user.id}/push-tokens/remove"
    assert (await world.http.post(path, json={"token": "t1"}, headers=world.service_headers())).is_success
    assert not await redis.get(copy)


async def test_no_change_fails_because_redis_is_down(make_world, dead_redis) -> None:
    world = await make_world(redis=dead_redis)
    user = await world.user(push_token="t1")
    for method, path, body in CHANGES:
        assert (await user.call(method, user.path + path, json=body)).is_success, (method, path)
