"""Users: sign-up, reading, changing, deleting."""

import asyncio
import json
from uuid import uuid4

import pytest

BRIEF = {
    "name": "John Doe",
    "email": "john@example.com",
    "password": "SecurePass123!",
    "push_token": "fcm_token_here",
    "preferences": {"email": True, "push": False},
}


async def test_the_sign_up_of_the_brief_is_answered_with_the_user(world) -> None:
    answer = await world.http.post("/api/v1/users/", json=BRIEF)
    body = answer.json()
    assert answer.status_code == 201
    assert set(body) == {"success", "message", "data", "error", "meta"}
    assert body["success"] is True
    assert body["data"]["email"] == "john@example.com"
    assert body["data"]["role"] == "user"
    assert body["data"]["push_token"] == "fcm_token_here"
    assert body["data"]["preferences"] == {"email": True, "push": False, "unsubscribed": []}
    assert "password" not in answer.text


async def test_a_path_works_with_and_without_its_trailing_slash(world) -> None:
    user = await world.user()
    for path in (user.path, f"{user.path}/", f"{user.path}/preferences/", f"{user.path}/push-tokens/"):
        assert (await user.call("GET", path)).status_code == 200


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Ada@Example.com", "ada@example.COM"),
        ("ada@bücher.example", "ADA@xn--bcher-kva.example"),
        ("straße@example.com", "STRASSE@example.com"),
    ],
)
async def test_an_address_is_taken_however_it_is_written(world, first: str, second: str) -> None:
    await world.sign_up(email=first)
    again = await world.http.post("/api/v1/users", json={**BRIEF, "email": second})
    assert (again.status_code, again.json()["error"]) == (409, "email_taken")
    assert (await world.try_login(second)).status_code == 200


async def test_simultaneous_sign_ups_with_one_address_succeed_once(world) -> None:
    answers = await asyncio.gather(*(world.http.post("/api/v1/users", json=BRIEF) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]


NO_ADDRESSES = [
    "a@b.c, v@e.f",
    '"a@b.c, v@e.f"',
    "Ada <ada@example.com>",
    "ada@example.com\r\nBcc: v@example.com",
    "ada@localhost",
    "ada@[127.0.0.1]",
    "ada",
    "",
    f"{'a' * 250}@example.com",
    f"{'a' * 65}@example.com",
    f"{'ü' * 33}@example.com",
    "ada@example.com\n",
    "a..b@example.com",
    "ada@example.com.",
    "ada\x00@example.com",
]


async def test_what_is_not_exactly_one_address_is_refused(world) -> None:
    for address in NO_ADDRESSES:
        answer = await world.http.post("/api/v1/users", json={**BRIEF, "email": address})
        assert answer.status_code == 422, address
        assert [problem["field"] for problem in answer.json()["data"]["errors"]] == ["email"]


@pytest.mark.parametrize("address", [" john@example.com ", "john@example.com\u00a0", "\tjohn@EXAMPLE.com"])
async def test_blanks_around_an_address_are_not_part_of_it(world, address: str) -> None:
    answer = await world.http.post("/api/v1/users", json={**BRIEF, "email": address})
    assert (answer.status_code, answer.json()["data"]["email"]) == (201, "john@example.com")
    assert (await world.http.post("/api/v1/auth/login", json={**BRIEF, "email": address})).status_code == 200


@pytest.mark.parametrize("name", ["Prix\u00a0!", "👩\u200d👩\u200d👧", "می\u200cخواهم", "\u200fאבג"])
async def test_names_of_every_script_are_taken(world, name: str) -> None:
    answer = await world.http.post("/api/v1/users", json={**BRIEF, "name": name})
    assert (answer.status_code, answer.json()["data"]["name"]) == (201, name)


@pytest.mark.parametrize(
    ("given", "stored"), [("pt_BR", "pt-BR"), ("pt-BR", "pt-BR"), ("PT-br", "pt-BR"), ("zh_Hant_TW", "zh-Hant-TW")]
)
async def test_a_language_is_written_in_one_way(world, given: str, stored: str) -> None:
    answer = await world.http.post("/api/v1/users", json={**BRIEF, "language": given})
    assert (answer.status_code, answer.json()["data"]["language"]) == (201, stored)
    user = await world.user()
    assert (await user.call("PATCH", json={"language": given})).json()["data"]["language"] == stored
    assert (await user.call("PATCH", json={"language": "english!"})).status_code == 422


NO_NAMES = ["x\r\nBcc: v@e.f", "x\x00", "a\u2028b", "\ud800", "   ", "", "x" * 201]


async def test_a_name_is_one_bounded_line(world) -> None:
    for name in NO_NAMES:
        body = json.dumps({**BRIEF, "name": name})  # escapes what is not ASCII, so that a lone surrogate can be sent
        answer = await world.http.post("/api/v1/users", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422, repr(name)


async def test_a_refusal_lists_every_field_that_is_wrong_and_no_value(world) -> None:
    answer = await world.http.post("/api/v1/users", json={"name": "", "email": "no", "password": "short77"})
    fields = {problem["field"] for problem in answer.json()["data"]["errors"]}
    assert (answer.status_code, fields) == (422, {"name", "email", "password"})
    assert "short77" not in answer.text


async def test_privileged_fields_in_a_body_never_take_effect(world) -> None:
    smuggled = {"role": "admin", "scopes": ["admin"], "id": str(uuid4()), "status": "x", "password_hash": "x"}
    user = await world.user(**smuggled)
    assert user.id != smuggled["id"]
    for method in ("PATCH", "PUT"):
        body = {"name": "Eve", "email": user.email, **smuggled}
        answer = await user.call(method, json=body)
        assert answer.status_code == 200
        assert (answer.json()["data"]["role"], answer.json()["data"]["id"]) == ("user", user.id)
    assert (await user.call("GET", "/api/v1/users")).status_code == 403
    assert (await world.try_login(user.email)).json()["data"]["user"]["role"] == "user"


async def test_closed_registration_is_for_administrators(make_world) -> None:
    world = await make_world()
    admin, user = await world.admin(), await world.user()
    closed = await make_world(database_url=world.settings.database_url, open_registration=False)
    assert (await closed.http.post("/api/v1/users", json=BRIEF)).status_code == 401
    for token, status in ((user.token, 403), (admin.token, 201)):
        headers = {"Authorization": f"Bearer {token}"}
        assert (await closed.http.post("/api/v1/users", json=BRIEF, headers=headers)).status_code == status


async def test_another_users_resources_look_like_missing_ones(world) -> None:
    mine, other = await world.user(), await world.user()
    missing = f"/api/v1/users/{uuid4()}"
    for method, path, body in (
        ("GET", "", None),
        ("PATCH", "", {"name": "x"}),
        ("DELETE", "", None),
        ("GET", "/preferences", None),
        ("PUT", "/preferences", {"email": False, "push": False}),
        ("GET", "/push-tokens", None),
        ("POST", "/push-tokens", {"push_token": "t"}),
        ("DELETE", "/push-tokens?token=t", None),
        ("PUT", "/push-token", {"push_token": None}),
    ):
        theirs = await mine.call(method, other.path + path, json=body)
        unknown = await mine.call(method, missing + path, json=body)
        assert (theirs.status_code, theirs.content) == (404, unknown.content), f"{method} {path}"
        assert unknown.status_code == 404
    assert (await other.call("GET")).json()["data"]["name"] == "Ada"


async def test_only_administrators_and_reading_keys_list_users(world) -> None:
    user, admin = await world.user(), await world.admin()
    reader, stranger = await world.api_key("users:read"), await world.api_key("templates:write")
    assert (await user.call("GET", "/api/v1/users")).status_code == 403
    assert (await stranger.call("GET", "/api/v1/users")).status_code == 403
    assert (await world.http.get("/api/v1/users")).status_code == 401
    for caller in (admin, reader):
        assert (await caller.call("GET", "/api/v1/users")).status_code == 200


async def test_the_list_is_paged_and_filtered(world) -> None:
    admin = await world.admin()
    made = [await world.sign_up() for _ in range(4)]
    answer = (await admin.call("GET", "/api/v1/users?page=2&limit=2")).json()
    assert [user["id"] for user in answer["data"]] == [made[1]["id"], made[2]["id"]]
    assert answer["meta"] == {
        "total": 5,
        "limit": 2,
        "page": 2,
        "total_pages": 3,
        "has_next": True,
        "has_previous": True,
    }
    by_email = (await admin.call("GET", "/api/v1/users", params={"email": made[3]["email"].upper()})).json()
    assert [user["id"] for user in by_email["data"]] == [made[3]["id"]]
    assert (await admin.call("GET", "/api/v1/users?role=admin")).json()["meta"]["total"] == 1
    for query in (
        "limit=0",
        "limit=101",
        "limit=1000000000",
        "page=0",
        "page=99999999999999999999",
        "email=no",
        "role=x",
    ):
        assert (await admin.call("GET", f"/api/v1/users?{query}")).status_code == 422, query


async def test_a_key_reads_and_writes_users_by_its_scopes_only(world) -> None:
    user = await world.user()
    reader, writer = await world.api_key("users:read"), await world.api_key("users:write")
    assert (await reader.call("GET", user.path)).status_code == 200
    assert (await reader.call("PATCH", user.path, json={"name": "x"})).status_code == 403
    assert (await writer.call("GET", user.path)).status_code == 403
    assert (await writer.call("PATCH", user.path, json={"name": "Grace"})).status_code == 200
    assert (await writer.call("GET", writer.owner.path)).status_code == 403  # its owner's account is not in its scopes


async def test_a_writing_key_cannot_take_over_accounts(world) -> None:
    user, writer = await world.user(), await world.api_key("users:write")
    for method, body in (("PATCH", {"password": "a new password"}), ("PATCH", {"name": "x"}), ("DELETE", None)):
        assert (await writer.call(method, writer.owner.path, json=body)).status_code == 403
    for body in ({"password": "a new password"}, {"email": "new@example.com"}):
        assert (await writer.call("PATCH", user.path, json=body)).json()["error"] == "current_password_wrong"


async def test_a_change_leaves_alone_what_it_does_not_name(world) -> None:
    user = await world.user(language="en", preferences={"push": False}, push_token="t1")
    changed = (await user.call("PATCH", json={"name": "Grace"})).json()["data"]
    assert (changed["name"], changed["language"], changed["push_token"]) == ("Grace", "en", "t1")
    assert changed["preferences"] == {"email": True, "push": False, "unsubscribed": []}
    body = {"name": "G", "email": user.email, "language": None, "push_token": None, "preferences": {"push": True}}
    replaced = (await user.call("PUT", json=body)).json()["data"]
    assert (replaced["language"], replaced["push_token"]) == (None, None)
    assert replaced["preferences"] == {"email": True, "push": True, "unsubscribed": []}
    assert (await user.call("PUT", json={"name": "only"})).status_code == 422


async def test_preferences_are_read_set_and_changed(world) -> None:
    user = await world.user()
    path = f"{user.path}/preferences"
    assert (await user.call("GET", path)).json()["data"] == {"email": True, "push": True, "unsubscribed": []}
    assert (await user.call("PUT", path, json={"email": False})).status_code == 422
    assert (await user.call("PUT", path, json={"email": False, "push": False})).status_code == 200
    changed = {"email": False, "push": True, "unsubscribed": []}
    assert (await user.call("PATCH", path, json={"push": True})).json()["data"] == changed
    assert (await user.call("GET", path)).json()["data"] == changed


@pytest.mark.parametrize("value", [0, 1, "no", "true", 1.0, [], {}])
async def test_a_preference_is_true_or_false(world, value: object) -> None:
    user = await world.user()
    both, one = {"email": True, "push": value}, {"push": value}
    for method, path, body in (
        ("PUT", f"{user.path}/preferences", both),
        ("PATCH", f"{user.path}/preferences", one),
        ("PATCH", user.path, {"preferences": one}),
        ("POST", "/api/v1/users", {"name": "G", "email": "g@example.com", "password": "a" * 12, "preferences": both}),
    ):
        answer = await user.call(method, path, json=body)
        assert (answer.status_code, answer.json()["data"]["errors"][0]["field"].rpartition(".")[2]) == (422, "push")


async def test_a_user_cannot_change_to_a_taken_address(world) -> None:
    user, other, admin = await world.user(), await world.user(), await world.admin()
    body = {"email": other.email.upper(), "current_password": "correct horse"}
    assert (await user.call("PATCH", json=body)).json()["error"] == "email_taken"
    assert (await admin.call("PATCH", user.path, json=body)).status_code == 409
    assert (await user.call("GET")).json()["data"]["email"] == user.email


async def test_a_deleted_user_is_gone_with_everything(world) -> None:
    admin, user = await world.admin(), await world.user(push_token="t1")
    assert (await user.call("DELETE")).status_code == 200
    assert (await admin.call("GET", user.path)).status_code == 404
    assert (await user.call("GET")).status_code == 401  # the access token was revoked with the session
    assert (await world.try_login(user.email)).status_code == 401
    refreshed = await world.http.post("/api/v1/auth/refresh", json={"refresh_token": user.refresh_token})
    assert refreshed.status_code == 401
    assert (await admin.call("DELETE", user.path)).status_code == 404
    await world.sign_up(email=user.email)  # the address is free again


async def test_every_page_of_a_list_says_truly_whether_there_is_another(world) -> None:
    admin = await world.admin()
    for _ in range(3):
        await world.sign_up()
    for path, total in (
        ("/api/v1/users", 4),
        ("/api/v1/users?role=admin", 1),
        ("/api/v1/users?email=no@example.com", 0),
    ):
        for limit in (1, 2, 3, 4, 5):
            for page in range(1, 7):
                joined = f"{path}{'&' if '?' in path else '?'}limit={limit}&page={page}"
                answered = (await admin.call("GET", joined)).json()
                meta, shown = answered["meta"], len(answered["data"])
                assert shown == max(0, min(limit, total - (page - 1) * limit))
                assert meta["has_next"] == (total > page * limit), joined
                assert meta["has_previous"] == (page > 1 and total > 0), joined
                assert (meta["total"], meta["total_pages"]) == (total, max(1, -(-total // limit)))
                assert "next_cursor" not in meta
