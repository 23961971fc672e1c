"""Contacts: users without a password, added by applications under their own ids."""

import asyncio
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from contracts.users import NO_APPLICATION, USER_CACHE
from user_service.repositories import users

USERS, BULK, FIND = "/api/v1/users", "/api/v1/users/bulk", "/api/v1/users/find"
ADA = {"name": "Ada", "email": "ada@example.com"}
SCOPES = ("users:read", "users:write")


def _path(external_id: str) -> str:
    return f"{USERS}/external/{external_id}"


async def _put(key, external_id: str = "c-1", status: int = 201, **body: object) -> dict:
    answer = await key.call("PUT", _path(external_id), json={**ADA, **body})
    assert answer.status_code == status, answer.text
    return answer.json()["data"]


async def test_an_application_adds_contacts_and_finds_them_by_its_own_ids(world) -> None:
    key = await world.api_key(*SCOPES)
    body = {**ADA, "external_id": "auth0|17", "language": "de", "preferences": {"push": False}, "push_token": "t"}
    added = await key.call("POST", USERS, json=body)
    assert added.status_code == 201
    contact = added.json()["data"]
    assert (contact["external_id"], contact["contact"], contact["role"]) == ("auth0|17", True, "user")
    assert (contact["preferences"], contact["push_token"]) == ({"email": True, "push": False, "unsubscribed": []}, "t")
    for path in (_path("auth0%7C17"), f"{USERS}/{contact['id']}"):
        assert (await key.call("GET", path)).json()["data"] == contact
    again = await key.call("POST", USERS, json=body)
    assert (again.status_code, again.json()["error"]) == (409, "external_id_taken")
    nameless = [(await key.call("POST", USERS, json=ADA)).json()["data"] for _ in range(2)]
    assert nameless[0]["id"] != nameless[1]["id"]
    listed = (await key.call("GET", f"{USERS}?email=ADA@example.com")).json()["data"]
    assert {one["id"] for one in listed} == {contact["id"], *(one["id"] for one in nameless)}


async def test_a_put_adds_and_then_changes_what_it_names(world, redis) -> None:
    key = await world.api_key(*SCOPES)
    first = await _put(key, language="de", preferences={"email": False}, push_token="one")
    await redis.set(f"{USER_CACHE}:{first['id']}", b"a reader's copy")
    second = await _put(key, status=200, name="Countess", email="countess@example.com")
    assert await redis.get(f"{USER_CACHE}:{first['id']}") == b""
    kept = ("id", "language", "preferences", "push_token")
    assert [second[name] for name in kept] == [first[name] for name in kept]
    assert (second["name"], second["email"]) == ("Countess", "countess@example.com")
    assert (await _put(key, status=200, push_token="two"))["push_token"] == "two"


async def test_a_thousand_at_once(world, redis) -> None:
    key = await world.api_key(*SCOPES)
    old = await _put(key, "c-7", preferences={"email": False})
    await redis.set(f"{USER_CACHE}:{old['id']}", b"a reader's copy")
    contacts = [
        {"external_id": f"c-{number}", "name": "N", "email": f"{number}@example.com"} for number in range(1_000)
    ]
    answer = await key.call("POST", BULK, json={"contacts": contacts})
    written = answer.json()["data"]
    assert (answer.status_code, len(written)) == (200, 1_000)
    assert [one["external_id"] for one in written] == [one["external_id"] for one in contacts]
    assert [one for one in written if not one["created"]] == [{"external_id": "c-7", "id": old["id"], "created": False}]
    assert await redis.get(f"{USER_CACHE}:{old['id']}") == b""
    changed = (await key.call("GET", _path("c-7"))).json()["data"]
    assert (changed["email"], changed["preferences"]["email"]) == ("7@example.com", False)
    again = (await key.call("POST", BULK, json={"contacts": contacts[::-1]})).json()["data"]
    assert {one["id"] for one in again} == {one["id"] for one in written}
    assert not any(one["created"] for one in again)


async def test_many_are_found_in_one_call_in_the_order_of_the_question(world) -> None:
    key = await world.api_key(*SCOPES)
    contacts = [{"external_id": f"c-{number}", **ADA} for number in range(998)]
    assert (await key.call("POST", BULK, json={"contacts": contacts})).status_code == 200
    await _put(key, "c-5", status=200, push_token="t", preferences={"push": False})
    asked = ["stranger", *(one["external_id"] for one in reversed(contacts)), "gone"]
    answer = await key.call("POST", FIND, json={"external_ids": asked})
    found = answer.json()["data"]
    assert (answer.status_code, answer.json()["message"]) == (200, "998 contacts")
    assert [one["external_id"] for one in found["contacts"]] == asked[1:-1]
    assert found["not_found"] == ["stranger", "gone"]
    assert found["contacts"][-6] == (await key.call("GET", _path("c-5"))).json()["data"]


async def test_each_is_found_once_and_only_by_its_own_application(world) -> None:
    ours, theirs = await world.api_key(*SCOPES), await world.api_key(*SCOPES)
    await _put(ours, "c-1")
    await _put(theirs, "c-2")
    answer = await ours.call("POST", FIND, json={"external_ids": ["c-2", "c-1", "c-2", "c-1"]})
    found = answer.json()["data"]
    assert ([one["external_id"] for one in found["contacts"]], found["not_found"]) == (["c-1"], ["c-2"])


@pytest.mark.parametrize("asked", [[], ["x" * 201], ["no blanks"], ["c"] * 1_001, [None], "c"])
async def test_what_can_be_no_external_id_is_refused(world, asked: object) -> None:
    key = await world.api_key(*SCOPES)
    answer = await key.call("POST", FIND, json={"external_ids": asked})
    assert (answer.status_code, answer.json()["error"]) == (422, "validation_error")
    assert answer.json()["data"]["errors"][0]["field"].startswith("external_ids")


async def test_two_who_write_the_same_ones_at_once_agree(world) -> None:
    key = await world.api_key(*SCOPES)
    contacts = [{"external_id": f"c-{number}", **ADA} for number in range(50)]
    bodies = [{"contacts": order} for order in (contacts, contacts[::-1]) for _ in range(3)]
    answers = await asyncio.gather(*(key.call("POST", BULK, json=body) for body in bodies))
    assert {answer.status_code for answer in answers} == {200}
    assert len({one["id"] for answer in answers for one in answer.json()["data"]}) == 50


@pytest.mark.parametrize(
    "contacts",
    [
        [],
        [{"external_id": "a", **ADA}] * 2,
        [{"external_id": "a/b", **ADA}],
        [{"external_id": "..", **ADA}],
        [{"external_id": "x" * 201, **ADA}],
        [{"external_id": "a", "name": "x\x00", "email": "ada@example.com"}],
        [{"external_id": "a", "name": "A", "email": "nobody"}],
        [{"external_id": f"c-{number}", **ADA} for number in range(1_001)],
    ],
)
async def test_a_senseless_group_is_refused_as_a_whole(world, contacts: list[dict]) -> None:
    key = await world.api_key(*SCOPES)
    answer = await key.call(
        "POST", BULK, json={"contacts": [{"external_id": "good", **ADA}, *contacts]} if contacts else {}
    )
    assert answer.status_code == 422
    assert (await key.call("GET", _path("good"))).status_code == 404


async def test_anothers_contact_looks_like_a_missing_one(world) -> None:
    ours, theirs, narrow = await world.api_key(*SCOPES), await world.api_key(*SCOPES), await world.api_key()
    contact = await _put(ours)
    path = f"{USERS}/{contact['id']}"
    calls = [
        ("GET", path, None),
        ("PATCH", path, {"name": "x"}),
        ("DELETE", path, None),
        ("GET", f"{path}/preferences", None),
        ("PUT", f"{path}/preferences", {"email": False, "push": False}),
        ("GET", f"{path}/push-tokens", None),
        ("POST", f"{path}/push-tokens", {"push_token": "t"}),
    ]
    for method, where, body in calls:
        options = {} if body is None else {"json": body}
        real = await theirs.call(method, where, **options)
        missing = await theirs.call(method, where.replace(contact["id"], str(uuid4())), **options)
        assert (real.status_code, real.content) == (404, missing.content), (method, where)
        assert (await narrow.call(method, where, **options)).status_code == 403
    assert (await theirs.call("GET", _path("c-1"))).status_code == 404
    assert (await theirs.call("GET", USERS)).json()["meta"]["total"] == 3  # the administrators who made the keys
    assert (await _put(theirs))["id"] != contact["id"]
    assert (await world.admin()).id != contact["id"]
    assert (await (await world.admin()).call("GET", path)).status_code == 200
    assert (await ours.call("PATCH", path, json={"email": "new@example.com"})).json()["data"][
        "email"
    ] == "new@example.com"
    assert (await ours.call("DELETE", path)).status_code == 200


async def test_people_have_no_contacts(world) -> None:
    admin, user, reader = await world.admin(), await world.user(), await world.api_key("users:read")
    for caller in (admin, user, reader):
        assert (await caller.call("PUT", _path("c-1"), json=ADA)).status_code == 403
        assert (await caller.call("POST", BULK, json={"contacts": [{"external_id": "c", **ADA}]})).status_code == 403
        assert (await caller.call("POST", USERS, json=ADA)).status_code == 403
    for person in (admin, user, await world.api_key("users:write")):
        assert (await person.call("POST", FIND, json={"external_ids": ["c-1"]})).status_code == 403
    for person in (admin, user):
        assert (await person.call("GET", _path("c-1"))).status_code == 403
    without_key = await world.http.post(USERS, json=ADA)
    assert (without_key.status_code, without_key.json()["data"]["errors"][0]["field"]) == (422, "password")
    both = await world.http.post(USERS, json={**ADA, "password": "a long password", "external_id": "c"})
    assert (both.status_code, both.json()["data"]["errors"][0]["field"]) == (422, "external_id")


async def test_a_contact_cannot_log_in_and_does_not_block_a_sign_up(world) -> None:
    key = await world.api_key(*SCOPES)
    contact = await _put(key)
    for password in ("a long password", ""):
        assert (await world.try_login(ADA["email"], password)).status_code in {401, 422}
    person = await world.sign_up(ADA["email"])
    assert person["id"] != contact["id"]
    taken = await key.call("PATCH", f"{USERS}/{contact['id']}", json={"password": "a long password"})
    assert (taken.status_code, taken.json()["error"]) == (403, "current_password_wrong")


async def test_whoever_gets_a_password_has_an_account_and_decides_about_its_address(world) -> None:
    key, admin = await world.api_key(*SCOPES), await world.admin()
    contact = await _put(key)
    path = f"{USERS}/{contact['id']}"
    claimed = await admin.call("PATCH", path, json={"password": "a long password"})
    assert (claimed.status_code, claimed.json()["data"]["contact"]) == (200, False)
    assert (await world.log_in(ADA["email"], "a long password"))["access_token"]
    kept = await _put(key, status=200, name="Countess", email="thief@example.com")
    assert (kept["name"], kept["email"]) == ("Countess", ADA["email"])
    other = await _put(key, "c-2")
    taken = await admin.call("PATCH", f"{USERS}/{other['id']}", json={"password": "a long password"})
    assert (taken.status_code, taken.json()["error"]) == (409, "email_taken")


async def test_a_deleted_applications_contacts_stay_for_administrators(world) -> None:
    key = await world.api_key(*SCOPES)
    contact = await _put(key)
    assert (await key.owner.call("DELETE", f"/api/v1/applications/{key.application_id}")).status_code == 200
    assert (await key.owner.call("GET", f"{USERS}/{contact['id']}")).json()["data"]["external_id"] == "c-1"


async def test_a_key_without_an_application_gets_a_clear_error(world) -> None:
    key = await world.api_key(*SCOPES)
    async with world.database.begin() as connection:
        await connection.execute(text("UPDATE api_keys SET application_id = NULL"))
    answer = await key.call("PUT", _path("c-1"), json=ADA)
    assert (answer.status_code, answer.json()["message"]) == (403, "The key's application no longer exists")


async def test_a_contact_is_found_like_any_user(world) -> None:
    key = await world.api_key(*SCOPES)
    contact = await _put(key, push_token="t")
    found = await world.app.state.services.lookups.find(UUID(contact["id"]))
    assert (found["email"], [one["token"] for one in found["push_tokens"]]) == (ADA["email"], ["t"])
    async with world.database.begin() as connection:
        assert await users.id_of(connection, ADA["email"]) is None


async def test_privileged_fields_in_a_body_never_take_effect(world) -> None:
    key, other = await world.api_key(*SCOPES), await world.api_key(*SCOPES)
    smuggled = {"id": str(uuid4()), "role": "admin", "scopes": ["admin"], "contact": False, "password": "a long password",
                "password_hash": "x", "application_id": other.application_id}  # fmt: skip
    put = await _put(key, "c-1", **smuggled)
    bulk = await key.call("POST", BULK, json={"contacts": [{**ADA, **smuggled, "external_id": "c-2"}]})
    assert bulk.status_code == 200
    found = [put, (await key.call("GET", _path("c-2"))).json()["data"]]
    assert [(one["role"], one["contact"]) for one in found] == [("user", True)] * 2
    assert smuggled["id"] not in {one["id"] for one in found}
    assert (await other.call("GET", _path("c-1"))).status_code == 404
    assert (await world.try_login(ADA["email"], smuggled["password"])).status_code == 401


async def test_a_contact_is_its_applications_until_it_has_an_account(world, redis) -> None:
    key = await world.api_key(*SCOPES)
    admin = key.owner
    contact, other = await _put(key), await _put(key, "c-2", email="other@example.com")
    person = await world.sign_up()
    find = world.app.state.services.lookups.find

    async def owners() -> list[str | None]:
        return [(await find(UUID(one["id"])))["application_id"] for one in (contact, other, person)]

    assert await owners() == [key.application_id, key.application_id, None]
    copy = f"{USER_CACHE}:{contact['id']}"
    await redis.set(copy, b"a reader's copy")
    await admin.call("PATCH", f"{USERS}/{contact['id']}", json={"password": "a long password"})
    assert await redis.get(copy) == b""
    assert await owners() == [None, key.application_id, None]
    assert (await admin.call("DELETE", f"/api/v1/applications/{key.application_id}")).status_code == 200
    assert await owners() == [None, str(NO_APPLICATION), None]
    reader = await world.api_key("users:read")
    assert (await reader.call("GET", f"{USERS}/{other['id']}")).status_code == 404, "of an application that is gone"
    listed = {one["id"] for one in (await reader.call("GET", f"{USERS}?limit=100")).json()["data"]}
    assert person["id"] in listed
    assert other["id"] not in listed
