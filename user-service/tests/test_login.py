"""Logging in: passwords, and how often they may be guessed."""

import asyncio

import bcrypt
import pytest
from sqlalchemy import text

from chassis.security import RevokedTokens
from user_service.repositories import credentials

NEW = "another horse"


async def test_a_login_answers_with_tokens_and_the_user(world) -> None:
    user = await world.sign_up()
    answer = await world.try_login(user["email"])
    data = answer.json()["data"]
    assert set(data) == {"access_token", "token_type", "expires_in", "refresh_token", "user", "totp_needed"}
    assert (data["token_type"], data["expires_in"]) == ("bearer", 1800)
    assert (data["user"], data["totp_needed"]) == (user, False)
    assert answer.headers["Cache-Control"] == "no-store"


async def test_a_login_works_however_the_address_is_capitalised(world) -> None:
    await world.sign_up(email="Ada@Example.com")
    assert (await world.try_login("aDA@eXAMPLE.com")).status_code == 200


LONG = ["p" * 73, "p" * 128, "ü" * 128, " blanks count "]


async def test_every_character_of_a_password_counts(world) -> None:
    for password in LONG:
        user = await world.sign_up(password=password)
        assert (await world.try_login(user["email"], password)).status_code == 200
        for wrong in (password[:-1], password[:72] + "x", password.strip() + "x"):
            assert (await world.try_login(user["email"], wrong)).status_code in {401, 422}


UNACCEPTABLE = ["p" * 7, "p" * 129, "pass\x00word", "p" * 1_000_000]


async def test_an_unacceptable_password_is_refused_without_hashing(world) -> None:
    for password in UNACCEPTABLE:
        body = {"name": "Ada", "email": "ada@example.com", "password": password}
        assert (await world.http.post("/api/v1/users", json=body)).status_code == 422
        if len(password) >= 8:
            assert (await world.try_login("ada@example.com", password)).status_code == 422
    assert world.metric("password_hash_seconds_count", operation="hash") == 0
    assert world.metric("password_hash_seconds_count", operation="verify") == 0


async def test_a_body_above_the_limit_is_refused(world) -> None:
    assert (await world.try_login("ada@example.com", "p" * 2_000_000)).status_code == 413


async def test_an_unknown_user_and_a_wrong_password_get_the_same_answer(world) -> None:
    user = await world.sign_up()
    seen = []
    for email in (user["email"], "nobody@example.com"):
        before = world.metric("password_hash_seconds_count", operation="verify")
        answer = await world.try_login(email, "wrong password")
        seen.append(
            (
                answer.status_code,
                answer.content,
                world.metric("password_hash_seconds_count", operation="verify") - before,
            )
        )
    assert seen[0] == seen[1]
    assert (seen[0][0], seen[0][2]) == (401, 1)


async def _guess(world, email: str, number: int) -> list[int]:
    """Wrong passwords, each with another forged address, twenty at a time."""
    statuses: list[int] = []
    for first in range(0, number, 20):
        forged = [{"X-Forwarded-For": f"10.0.0.{first + n}"} for n in range(20)]
        answers = await asyncio.gather(*(world.try_login(email, "wrong one", headers=headers) for headers in forged))
        statuses += [answer.status_code for answer in answers]
    return statuses


@pytest.mark.parametrize("known", [True, False])
async def test_an_account_is_throttled_whatever_address_the_guesses_claim(make_world, known: bool) -> None:
    world = await make_world(password_queue=300)
    email = (await world.sign_up())["email"] if known else "nobody@example.com"
    statuses = await _guess(world, email, 200)
    assert (statuses.count(401), statuses.count(429)) == (10, 190)
    right = await world.try_login(email)
    assert (right.status_code, right.json()["error"]) == (429, "too_many_logins")
    assert int(right.headers["Retry-After"]) > 0
    assert world.metric("logins_total", outcome="throttled") == 191


async def test_an_account_is_throttled_while_redis_is_down(make_world, dead_redis) -> None:
    world = await make_world(redis=dead_redis, password_queue=300)
    user = await world.sign_up()
    statuses = await _guess(world, user["email"], 200)
    assert (statuses.count(401), statuses.count(429)) == (10, 190)


async def test_one_address_that_tries_many_accounts_is_throttled(make_world) -> None:
    world = await make_world(login_client_attempts=5)
    statuses = [(await world.try_login(f"user{n}@example.com")).status_code for n in range(7)]
    assert statuses == [401] * 5 + [429] * 2


async def test_successes_do_not_use_up_the_attempts(make_world) -> None:
    world = await make_world(login_failures=2)
    user = await world.sign_up()
    for _ in range(4):
        assert (await world.try_login(user["email"], "wrong one")).status_code == 401
        assert (await world.try_login(user["email"])).status_code == 200


async def test_a_flood_of_logins_is_answered_503_and_the_service_goes_on(production_hashes, make_world) -> None:
    world = await make_world(password_workers=1, password_queue=1)
    answers = await asyncio.gather(*(world.try_login(f"user{n}@example.com") for n in range(12)))
    refused = [answer for answer in answers if answer.status_code == 503]
    assert {answer.status_code for answer in answers} == {401, 503}
    assert all(answer.headers["Retry-After"] for answer in refused)
    assert (await world.try_login("user99@example.com")).status_code == 401


async def _stored_hash(world, user_id: str) -> str:
    async with world.database.begin() as connection:
        return (
            await connection.execute(text("SELECT password_hash FROM users WHERE id = :id"), {"id": user_id})
        ).scalar_one()


async def _use_bcrypt(world, user_id: str, password: str) -> None:
    old = bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4)).decode()
    async with world.database.begin() as connection:
        await connection.execute(text("UPDATE users SET password_hash = :h WHERE id = :id"), {"h": old, "id": user_id})


async def test_new_passwords_are_kept_as_argon2id(production_hashes, world) -> None:
    user = await world.sign_up()
    assert (await _stored_hash(world, user["id"])).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_a_bcrypt_hash_is_verified_and_replaced_at_login(world) -> None:
    user = await world.sign_up()
    await _use_bcrypt(world, user["id"], "an old password")
    assert (await world.try_login(user["email"], "a wrong password")).status_code == 401
    for _ in range(2):
        assert (await world.try_login(user["email"], "an old password")).status_code == 200
        assert (await _stored_hash(world, user["id"])).startswith("$argon2id$")


async def test_a_long_password_under_bcrypt_still_logs_in_but_is_not_hashed_anew(world) -> None:
    """bcrypt checked only 72 bytes: further bytes were never verified and must not become part of the password."""
    user = await world.sign_up()
    await _use_bcrypt(world, user["id"], "p" * 100)
    assert (await world.try_login(user["email"], "p" * 100)).status_code == 200
    assert (await _stored_hash(world, user["id"])).startswith("$2")


async def test_a_new_password_needs_the_old_one_and_ends_every_session(world, redis) -> None:
    user = await world.user()
    elsewhere = await world.log_in(user.email)
    for body in ({"password": NEW}, {"password": NEW, "current_password": "wrong one"}):
        refused = await user.call("PATCH", json=body)
        assert (refused.status_code, refused.json()["error"]) == (403, "current_password_wrong")
    assert (await user.call("PATCH", json={"password": NEW, "current_password": "correct horse"})).status_code == 200
    for refresh_token in (user.refresh_token, elsewhere["refresh_token"]):
        answer = await world.http.post("/api/v1/auth/refresh", json={"refresh_token": refresh_token})
        assert answer.status_code == 401
    assert (await user.call("GET")).status_code == 401
    assert (await world.try_login(user.email)).status_code == 401
    assert (await world.try_login(user.email, NEW)).status_code == 200


async def test_another_address_needs_the_password_and_the_same_one_does_not(world) -> None:
    user = await world.user()
    assert (await user.call("PUT", json={"name": "G", "email": user.email.upper()})).status_code == 200
    moved = {"email": "moved@example.com"}
    assert (await user.call("PATCH", json=moved)).status_code == 403
    assert (await user.call("PATCH", json={**moved, "current_password": "correct horse"})).status_code == 200
    assert (await user.call("GET")).json()["data"]["pending_email"] == "moved@example.com"


async def test_the_current_password_cannot_be_guessed_with_a_stolen_token(make_world) -> None:
    world = await make_world(login_failures=3)
    user = await world.user()
    body = {"password": NEW, "current_password": "wrong one"}
    statuses = [(await user.call("PATCH", json=body)).status_code for _ in range(5)]
    assert statuses == [403, 403, 403, 429, 429]


async def test_an_administrator_sets_a_password_without_knowing_it(world) -> None:
    admin, user = await world.admin(), await world.user()
    assert (await admin.call("PATCH", user.path, json={"password": NEW})).status_code == 200
    assert (await world.try_login(user.email, NEW)).status_code == 200


async def test_a_refresh_gives_new_tokens_each_time(world) -> None:
    user = await world.user()
    token, seen = user.refresh_token, {user.refresh_token, user.token}
    for _ in range(3):
        answer = await world.http.post("/api/v1/auth/refresh", json={"refresh_token": token})
        data = answer.json()["data"]
        assert set(data) == {"access_token", "token_type", "expires_in", "refresh_token"}
        assert not seen & {data["refresh_token"], data["access_token"]}
        seen |= {data["refresh_token"], data["access_token"]}
        token, user.token = data["refresh_token"], data["access_token"]
        assert (await user.call("GET", "/api/v1/auth/me")).json()["data"]["id"] == user.id


async def test_a_used_refresh_token_ends_its_session_and_no_other(world) -> None:
    user = await world.user()
    other = await world.log_in(user.email)
    fresh = (await world.http.post("/api/v1/auth/refresh", json={"refresh_token": user.refresh_token})).json()["data"]
    for token in (user.refresh_token, fresh["refresh_token"]):
        assert (await world.http.post("/api/v1/auth/refresh", json={"refresh_token": token})).status_code == 401
    user.token = fresh["access_token"]
    assert (await user.call("GET")).status_code == 401
    other_refresh = await world.http.post("/api/v1/auth/refresh", json={"refresh_token": other["refresh_token"]})
    assert other_refresh.status_code == 200


async def test_simultaneous_refreshes_with_one_token_succeed_at_most_once(world) -> None:
    user = await world.user()
    body = {"refresh_token": user.refresh_token}
    answers = await asyncio.gather(*(world.http.post("/api/v1/auth/refresh", json=body) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers)[:2] == [200, 401]


NO_REFRESH_TOKENS = ["x", "." * 200, "0" * 32 + "." + "A" * 43, "é", "\x00"]


async def test_nonsense_is_no_refresh_token(world) -> None:
    for token in NO_REFRESH_TOKENS:
        answer = await world.http.post("/api/v1/auth/refresh", json={"refresh_token": token})
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_refresh_token")


async def test_a_session_ends_by_itself(world) -> None:
    user = await world.user()
    async with world.database.begin() as connection:
        await connection.execute(text("UPDATE user_sessions SET expires_at = now() - interval '1 second'"))
    answer = await world.http.post("/api/v1/auth/refresh", json={"refresh_token": user.refresh_token})
    assert answer.status_code == 401


@pytest.mark.parametrize("named", [True, False])
async def test_a_logout_ends_the_session_for_every_service(world, redis, named: bool) -> None:
    user = await world.user()
    other = await world.log_in(user.email)
    body = {"refresh_token": user.refresh_token} if named else None
    assert (await user.call("POST", "/api/v1/auth/logout", json=body)).status_code == 200
    assert (await user.call("GET", "/api/v1/auth/me")).json()["error"] == "token_revoked"
    jti = world.app.state.services.verifier
    claims = await jti.verify(user.token)
    assert await RevokedTokens(redis).is_revoked(claims.token_id)
    refreshed = await world.http.post("/api/v1/auth/refresh", json={"refresh_token": user.refresh_token})
    assert refreshed.status_code == 401
    user.token = other["access_token"]
    assert (await user.call("GET", "/api/v1/auth/me")).status_code == 200


async def test_a_logout_cannot_end_another_users_session(world) -> None:
    user, victim = await world.user(), await world.user()
    await user.call("POST", "/api/v1/auth/logout", json={"refresh_token": victim.refresh_token})
    answer = await world.http.post("/api/v1/auth/refresh", json={"refresh_token": victim.refresh_token})
    assert answer.status_code == 200


async def test_login_refresh_and_logout_work_while_redis_is_down(make_world, dead_redis) -> None:
    world = await make_world(redis=dead_redis)
    user = await world.user()
    refreshed = await world.http.post("/api/v1/auth/refresh", json={"refresh_token": user.refresh_token})
    user.token = refreshed.json()["data"]["access_token"]
    assert (await user.call("POST", "/api/v1/auth/logout")).status_code == 200
    assert (await user.call("GET", "/api/v1/auth/me")).status_code == 401


async def test_only_so_many_sessions_are_kept(world) -> None:
    user = await world.user()
    async with world.database.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO user_sessions SELECT gen_random_uuid(), user_id, secret_hash, access_token_id, "
                "access_expires_at, now(), expires_at - interval '1 hour' FROM user_sessions, generate_series(1, 80)"
            )
        )
    await world.log_in(user.email)
    async with world.database.begin() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM user_sessions"))).scalar_one() == 50
    answer = await world.http.post("/api/v1/auth/refresh", json={"refresh_token": user.refresh_token})
    assert answer.status_code == 200  # the newest stay


async def test_a_password_that_changed_while_it_was_checked_opens_no_session(world) -> None:
    user = await world.sign_up()
    async with world.database.begin() as connection:
        verified = await credentials.by_id(connection, user["id"])
    await _use_bcrypt(world, user["id"], "another password")
    async with world.database.begin() as connection:
        assert not await credentials.note_login(connection, verified, password_hash=verified.password_hash)
