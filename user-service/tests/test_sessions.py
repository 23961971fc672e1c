"""Ending a session ends all tokens that it issued."""

import asyncio

import pytest
from sqlalchemy import text

from testkit.eventually import eventually

PASSWORD, NEW = "correct horse", "another horse"


async def _refresh(world, refresh_token: str) -> dict:
    answer = await world.http.post("/api/v1/auth/refresh", json={"refresh_token": refresh_token})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def _status(world, token: str) -> int:
    return (await world.http.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"})).status_code


async def _log_out(world, person, admin) -> None:
    await person.call("POST", "/api/v1/auth/logout")


async def _change_password(world, person, admin) -> None:
    await person.call("PATCH", json={"password": NEW, "current_password": PASSWORD})


async def _reset(world, person, admin) -> None:
    await admin.call("PATCH", person.path, json={"password": NEW})


async def _disable(world, person, admin) -> None:
    await admin.call("POST", f"{person.path}/disable")


async def _delete(world, person, admin) -> None:
    await admin.call("DELETE", person.path)


async def _end_every_session(world, person, admin) -> None:
    await person.call("DELETE", f"{person.path}/sessions")


async def _use_a_refresh_token_again(world, person, admin) -> None:
    await world.http.post("/api/v1/auth/refresh", json={"refresh_token": person.refresh_token})


ENDINGS = [
    _log_out, _change_password, _reset, _disable, _delete, _end_every_session, _use_a_refresh_token_again,
]  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS)
async def test_every_token_that_a_session_ever_gave_out_ends_with_it(world, make_world, ending) -> None:
    """In another process too: `elsewhere` knows of it from Redis."""
    elsewhere = await make_world(database_url=world.settings.database_url)
    admin, person = await world.admin(), await world.user()
    tokens, first = [person.token], person.refresh_token
    for _ in range(2):
        given = await _refresh(world, first)
        tokens.append(given["access_token"])
        first = given["refresh_token"]
    assert [await _status(world, token) for token in tokens] == [200] * 3
    person.token = tokens[-1]
    await ending(world, person, admin)
    for process in (world, elsewhere):
        assert [await _status(process, token) for token in tokens] == [401] * 3
    assert (await world.http.post("/api/v1/auth/refresh", json={"refresh_token": first})).status_code == 401


async def test_sessions_are_listed_and_ended_one_by_one(world) -> None:
    person = await world.user()
    other = await world.log_in(person.email)
    listed = (await person.call("GET", f"{person.path}/sessions")).json()["data"]
    assert [set(one) for one in listed] == [{"id", "created_at", "expires_at", "current"}] * 2
    assert [one["current"] for one in listed] == [False, True]
    ended = await person.call("DELETE", f"{person.path}/sessions/{listed[0]['id']}")
    assert ended.status_code == 200
    assert (await _status(world, other["access_token"]), await _status(world, person.token)) == (401, 200)
    again = await person.call("DELETE", f"{person.path}/sessions/{listed[0]['id']}")
    assert (again.status_code, again.json()["error"]) == (404, "session_not_found")


async def test_users_cannot_see_or_end_sessions_of_others(world) -> None:
    person, other, admin = await world.user(), await world.user(), await world.admin()
    [session] = (await person.call("GET", f"{person.path}/sessions")).json()["data"]
    for method, path in (
        ("GET", "/sessions"),
        ("DELETE", "/sessions"),
        ("DELETE", f"/sessions/{session['id']}"),
    ):
        assert (await other.call(method, f"{person.path}{path}")).status_code == 404
    assert (await other.call("DELETE", f"{other.path}/sessions/{session['id']}")).status_code == 404
    assert await _status(world, person.token) == 200
    assert (await admin.call("DELETE", f"{person.path}/sessions")).json()["message"] == "1 session ended"
    assert await _status(world, person.token) == 401


async def test_a_session_ends_however_often_it_is_refreshed(make_world) -> None:
    world = await make_world(session_max_days=7)
    person = await world.user()
    refresh_token = (await _refresh(world, person.refresh_token))["refresh_token"]
    async with world.database.begin() as connection:
        await connection.execute(text("UPDATE user_sessions SET created_at = now() - interval '7 days'"))
    answer = await world.http.post("/api/v1/auth/refresh", json={"refresh_token": refresh_token})
    assert answer.status_code == 401


async def test_a_disabled_user_gets_in_by_no_door_and_still_receives(world) -> None:
    admin, person = await world.admin(), await world.user()
    async with world.database.begin() as connection:
        await connection.execute(text("UPDATE users SET role = 'admin' WHERE id = :id"), {"id": person.id})
    person.token = (await world.log_in(person.email))["access_token"]
    made = (await person.call("POST", "/api/v1/api-keys", json={"name": "k", "scopes": ["users:read"]})).json()["data"]
    key = {"X-API-Key": made["key"]}
    assert (await world.http.get("/api/v1/users", headers=key)).status_code == 200
    disabled = await admin.call("POST", f"{person.path}/disable")
    assert (disabled.status_code, disabled.json()["data"]["disabled"]) == (200, True)
    refused = await world.try_login(person.email)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_credentials")
    assert (await world.http.get("/api/v1/users", headers=key)).status_code == 401
    asked = await world.http.post("/internal/users/find", json={"ids": [person.id]}, headers=world.service_headers())
    assert person.id in asked.json()["data"]["users"]
    enabled = await admin.call("POST", f"{person.path}/enable")
    assert (enabled.status_code, enabled.json()["data"]["disabled"]) == (200, False)
    assert (await world.try_login(person.email)).status_code == 200
    assert (await world.http.get("/api/v1/users", headers=key)).status_code == 200


async def test_only_administrators_disable_and_enable(world) -> None:
    person, other = await world.user(), await world.user()
    for path in ("disable", "enable"):
        assert (await person.call("POST", f"{person.path}/{path}")).status_code == 403
        assert (await person.call("POST", f"{other.path}/{path}")).status_code in {403, 404}


async def test_the_last_administrator_stays(world) -> None:
    first, second = await world.admin(), await world.admin()
    answers = await asyncio.gather(first.call("DELETE"), second.call("POST", f"{second.path}/disable"))
    assert min(answer.status_code for answer in answers) == 200
    async with world.database.begin() as connection:
        left = text("SELECT count(*) FROM users WHERE role = 'admin' AND disabled_at IS NULL")
        assert (await connection.execute(left)).scalar_one() == 1
    stays = first if answers[0].status_code != 200 else second
    for method, path in (("DELETE", ""), ("POST", "/disable")):
        refused = await stays.call(method, stays.path + path)
        assert (refused.status_code, refused.json()["error"]) == (409, "last_administrator")


async def test_an_administrator_who_is_none_any_more_does_nothing_more_even_without_redis(
    make_world, dead_redis
) -> None:
    world = await make_world(redis=dead_redis)
    elsewhere = await make_world(redis=dead_redis, database_url=world.settings.database_url)
    admin, other, victim = await world.admin(), await world.admin(), await world.user()
    other.world = elsewhere
    assert (await other.call("GET", victim.path)).status_code == 200
    assert (await admin.call("DELETE", other.path)).status_code == 200
    refused = await other.call("PATCH", victim.path, json={"password": NEW})
    assert (refused.status_code, refused.json()["error"]) == (401, "token_revoked")


async def test_an_administrators_own_password_and_address_need_the_password_too(world) -> None:
    admin = await world.admin()
    for change in ({"password": NEW}, {"email": "moved@example.com"}):
        refused = await admin.call("PATCH", json=change)
        assert (refused.status_code, refused.json()["error"]) == (403, "current_password_wrong")
    assert (await admin.call("PATCH", json={"password": NEW, "current_password": PASSWORD})).status_code == 200


async def test_a_strangers_guesses_lock_no_user_out_and_many_addresses_are_bounded(make_world) -> None:
    world = await make_world(login_failures=3, login_account_attempts=8)
    user = await world.sign_up()
    body = {"email": user["email"], "password": "wrong password"}

    async def guess(address: str) -> int:
        async with world.seen_from(address) as stranger:
            return (await stranger.post("/api/v1/auth/login", json=body)).status_code

    assert [await guess("198.51.100.1") for _ in range(5)] == [401] * 3 + [429] * 2
    assert (await world.try_login(user["email"])).status_code == 200
    assert [await guess(f"198.51.100.{number}") for number in range(10, 20)] == [401] * 8 + [429] * 2


@pytest.mark.parametrize("password", ["123456789", "1234567890", "QwertyUIOP", "password123"])
async def test_a_password_that_is_short_or_guessed_first_is_refused(world, password: str) -> None:
    body = {"name": "Ada", "email": "ada@example.com", "password": password}
    refused = await world.http.post("/api/v1/users", json=body)
    assert refused.status_code == 422
    assert refused.json()["data"]["errors"][0]["field"] == "password"
    assert password not in refused.text


async def test_sign_ups_do_not_block_logins(production_hashes, make_world) -> None:
    world = await make_world(password_workers=1, password_queue=30)
    user = await world.sign_up()
    flood = [
        asyncio.create_task(
            world.http.post("/api/v1/users", json={"name": "A", "email": f"flood{n}@example.com", "password": PASSWORD})
        )
        for n in range(60)
    ]
    await eventually(lambda: any(one.done() for one in flood), 5)  # refused: no place is left
    login = await world.try_login(user["email"])
    unfinished = sum(not one.done() for one in flood)
    assert (login.status_code, unfinished > 10) == (200, True)
    assert {answer.status_code for answer in await asyncio.gather(*flood)} == {201, 503}
