"""The routes for other services, and how these learn of changes."""

import itertools
from uuid import uuid4

import pytest
from sqlalchemy import text

from chassis.security import hash_api_key
from contracts.callers import ApiKeyInfo
from contracts.services import API_GATEWAY, EMAIL_SERVICE, PUSH_SERVICE, SERVICES, TEMPLATE_SERVICE
from contracts.users import MAX_USER_QUESTION, USER_CACHE, UserContact, UserFindings
from testkit.plans import read_whole, recorded
from user_service.repositories import users
from user_service.repositories.users import UserFilter


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


FIND = "/internal/users/find"
WEB_PUSH_KEYS = {
    "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
    "auth": "BTBZMqHH6r4Tts7J_aSIgg",
}


async def found(world, *ids: object) -> dict:
    asked = await world.http.post(FIND, json={"ids": [str(one) for one in ids]}, headers=world.service_headers())
    assert asked.status_code == 200, asked.text
    assert UserFindings.model_validate(asked.json()["data"]).users == asked.json()["data"]["users"]
    return asked.json()["data"]["users"]


async def test_many_users_are_found_as_each_of_them_is_and_unknown_ones_are_left_out(world) -> None:
    subscription = {"endpoint": "https://fcm.googleapis.com/fcm/send/x-1", "keys": WEB_PUSH_KEYS}
    people = [
        await world.sign_up(name='Anne "Ünal" \\ O\'Neill', push_token="t1"),
        await world.sign_up(name="👩‍👧 سارا \u2066x", language="pt-BR", preferences={"push": False, "email": False}),
        await world.sign_up(),
    ]
    many = await world.user()
    for token in ("t2", subscription, "t0", "t3"):
        assert (await many.call("POST", f"{many.path}/push-tokens", json={"push_token": token})).status_code == 201
    ids, admin = [person["id"] for person in people] + [many.id], await world.admin()
    unknown = uuid4()
    users = await found(world, *ids, unknown, *ids)
    assert users.keys() == set(ids)
    for one in ids:
        alone = await world.http.get(f"/internal/users/{one}", headers=world.service_headers())
        assert alone.json()["data"] == users[one]
        contact = UserContact.model_validate(users[one])
        # Without the kind of their push tokens: all are devices.
        contract = contact.model_dump(mode="json", exclude={"push_tokens": {"__all__": {"kind"}}})
        assert contract == users[one], "no more and no less than the contract"
        shown = (await admin.call("GET", f"/api/v1/users/{one}")).json()["data"]
        assert (contact.name, contact.email, contact.language) == (shown["name"], shown["email"], shown["language"])
        assert contact.preferences.model_dump(mode="json") == shown["preferences"]
    assert [token["provider"] for token in users[many.id]["push_tokens"]] == ["fcm", "web_push", "fcm", "fcm"]
    assert [token["token"] for token in users[many.id]["push_tokens"]] == ["t2", subscription["endpoint"], "t0", "t3"]
    assert users[many.id]["push_tokens"][1]["keys"] == subscription["keys"]
    assert await found(world) == {} == await found(world, unknown)


async def test_a_thousand_users_may_be_asked_for_and_no_more(world) -> None:
    user = await world.sign_up()
    others = [str(uuid4()) for _ in range(MAX_USER_QUESTION)]
    assert (await found(world, user["id"], *others[1:])).keys() == {user["id"]}
    asked = await world.http.post(FIND, json={"ids": [user["id"], *others]}, headers=world.service_headers())
    assert (asked.status_code, asked.json()["data"]["errors"][0]["field"]) == (422, "ids")
    broken = await world.http.post(FIND, content=b"{", headers=world.service_headers())
    assert (broken.status_code, broken.json()["error"]) == (400, "invalid_json")


async def test_users_are_found_by_index_however_many_there_are(world) -> None:
    async with world.database.begin() as connection:
        await connection.execute(
            text("""
            INSERT INTO users (id, name, email, email_key, password_hash, role)
            SELECT gen_random_uuid(), 'A', n::text, n::text, '', 'user' FROM generate_series(1, 5000) n""")
        )
        await connection.execute(
            text("""
            INSERT INTO user_push_tokens (id, user_id, provider, token)
            SELECT gen_random_uuid(), id, 'fcm', email FROM users""")
        )
        ids = (await connection.execute(text("SELECT id FROM users LIMIT 100"))).scalars().all()
        with recorded(connection) as statements:
            await users.find_contacts(connection, ids)
            for wanted in (UserFilter(email_key="7"), UserFilter(tokens=["7", "8"]), UserFilter(ids[0], "7")):
                await users.ids_at(connection, wanted, limit=MAX_USER_QUESTION)
        assert len(statements) == 4
        assert await read_whole(connection, statements) == set()


BY_ADDRESS = "/internal/users/find-by-address"


async def whose(world, **question: object) -> list[str]:
    asked = await world.http.post(BY_ADDRESS, json=question, headers=world.service_headers())
    assert asked.status_code == 200, asked.text
    return asked.json()["data"]["ids"]


async def test_users_are_found_by_their_address_and_by_their_devices(world) -> None:
    ada = await world.user(push_token="t1")
    owner, other = await world.api_key("users:write"), await world.api_key("users:write")
    contact = {"name": "Ada", "email": ada.email}
    made = [
        (await world.http.put("/api/v1/users/external/7", json=contact, headers={"X-API-Key": key.key})).json()["data"]
        for key in (owner, other)
    ]
    ids = [one["id"] for one in made]
    assert await whose(world, email=ada.email.upper()) == [ada.id, *ids]
    owners = {made[0]["id"]: owner, made[1]["id"]: other}
    for seen, key in owners.items():
        assert await whose(world, email=ada.email, seen_by=key.application_id) == [ada.id, seen]
    assert await whose(world, email="nobody@example.com") == []
    assert await whose(world, tokens=["T1", "t1"]) == [ada.id]
    assert await whose(world, tokens=["t2"]) == []


@pytest.mark.parametrize("question", [{}, {"email": "a@b.example", "tokens": ["t"]}, {"tokens": ["a", "b", "c"]}])
async def test_a_question_without_one_address_finds_nobody(world, question) -> None:
    assert (await world.http.post(BY_ADDRESS, json=question, headers=world.service_headers())).status_code == 422


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
        answer = await world.http.post(path, json={"token": "dead"}, headers=world.service_headers(caller=PUSH_SERVICE))
        assert answer.status_code == 200
        removed.append(answer.json()["data"]["removed"])
    assert removed == [True, False]
    assert (await user.call("GET")).json()["data"]["push_token"] is None


# And the services that may call each.
ROUTES = {
    ("GET", "/internal/users/{id}"): {API_GATEWAY, EMAIL_SERVICE, PUSH_SERVICE},
    ("POST", "/internal/users/find"): {API_GATEWAY, EMAIL_SERVICE, PUSH_SERVICE},
    ("POST", "/internal/users/find-by-address"): {API_GATEWAY},
    ("POST", "/internal/api-keys/find"): {API_GATEWAY, TEMPLATE_SERVICE},
    ("POST", "/internal/users/{id}/push-tokens/remove"): {PUSH_SERVICE},
}


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


@pytest.mark.parametrize("route", ROUTES)
async def test_an_internal_route_is_for_the_services_that_need_it(world, route) -> None:
    method, path = route
    for service in SERVICES:
        headers = world.service_headers(caller=service)
        answer = await world.http.request(method, path.format(id=uuid4()), headers=headers, json={})
        assert (answer.status_code != 403) is (service in ROUTES[route]), service


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
    by_push = world.service_headers(caller=PUSH_SERVICE)
    assert (await world.http.post(path, json={"token": "t1"}, headers=by_push)).is_success
    assert not await redis.get(copy)


async def test_no_change_fails_because_redis_is_down(make_world, dead_redis) -> None:
    world = await make_world(redis=dead_redis)
    user = await world.user(push_token="t1")
    for method, path, body in CHANGES:
        assert (await user.call(method, user.path + path, json=body)).is_success, (method, path)
