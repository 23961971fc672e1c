"""Second factors: required at every login, each code works once, and recovery codes for a lost device."""

import asyncio
import time

import pyotp
import pytest
from sqlalchemy import text

from user_service.repositories.audit import audit_trail
from user_service.services.admins import AdminMaker, clear_totp, ensure_admin
from user_service.services.passwords import Passwords

PASSWORD = "correct horse"
OTHERS = "/api/v1/users?limit=1"


async def _begin(admin, password: str = PASSWORD):
    return await admin.call("POST", f"{admin.path}/totp", json={"current_password": password})


async def _enable(world, admin) -> tuple[pyotp.TOTP, list[str]]:
    """A confirmed secret of which no code was used."""
    codes = pyotp.TOTP((await _begin(admin)).json()["data"]["secret"])
    confirmed = await admin.call("POST", f"{admin.path}/totp/confirm", json={"code": codes.now()})
    assert confirmed.status_code == 200, confirmed.text
    await _later(world)
    return codes, confirmed.json()["data"]["recovery_codes"]


async def _later(world) -> None:
    """Makes used codes look as if they were used minutes ago."""
    async with world.database.begin() as connection:
        await connection.execute(text("UPDATE user_totp SET last_step = last_step - 10"))


async def _login(world, admin, code: str | None = None, password: str = PASSWORD):
    body = {"email": admin.email, "password": password, **({"totp": code} if code else {})}
    return await world.http.post("/api/v1/auth/login", json=body)


def _wrong(codes: pyotp.TOTP) -> str:
    now = codes.timecode(time.time())
    near = {codes.generate_otp(now + skew) for skew in range(-3, 4)}
    return next(code for code in map("{:06d}".format, range(10)) if code not in near)


async def test_a_login_then_takes_the_password_and_a_code(world) -> None:
    admin = await world.admin()
    begun = (await _begin(admin)).json()["data"]
    assert begun["uri"].startswith("otpauth://totp/")
    assert f"secret={begun['secret']}" in begun["uri"]
    assert (await _login(world, admin)).status_code == 200, "not in force before it is confirmed"
    codes, recovery = await _enable(world, admin)
    assert len(set(recovery)) == 10
    asked = await _login(world, admin)
    assert (asked.status_code, asked.json()["error"]) == (401, "totp_required")
    assert (await _login(world, admin, codes.now(), "wrong one")).json()["error"] == "invalid_credentials"
    assert (await _login(world, admin, _wrong(codes))).json()["error"] == "invalid_totp"
    assert (await _login(world, admin, f" {codes.now()} ")).status_code == 200
    assert (await _login(world, admin, codes.now())).json()["error"] == "invalid_totp", "a code works once"


async def test_two_logins_with_one_code_succeed_once(world) -> None:
    admin = await world.admin()
    codes, _ = await _enable(world, admin)
    code = codes.now()
    answers = await asyncio.gather(*(_login(world, admin, code) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401]


async def test_a_recovery_code_replaces_one_code(world) -> None:
    admin = await world.admin()
    _, recovery = await _enable(world, admin)
    typed = recovery[0].upper().replace("-", " ")
    answers = await asyncio.gather(*(_login(world, admin, typed) for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 401]
    assert (await _login(world, admin, recovery[1])).status_code == 200
    assert (await _login(world, admin, recovery[0])).status_code == 401


async def test_codes_are_not_guessed_from_wherever_the_guesses_come(make_world) -> None:
    world = await make_world(password_queue=300)
    admin = await world.admin()
    codes, _ = await _enable(world, admin)
    statuses = []
    for number in range(14):
        async with world.seen_from(f"192.0.2.{number + 10}") as http:
            body = {"email": admin.email, "password": PASSWORD, "totp": _wrong(codes)}
            statuses.append((await http.post("/api/v1/auth/login", json=body)).status_code)
    assert statuses == [401] * 9 + [429] * 5, "to confirm it was the first"
    assert (await _login(world, admin, codes.now())).json()["error"] == "too_many_logins"


async def test_asking_for_a_code_counts_as_an_attempt(world) -> None:
    admin = await world.admin()
    await _enable(world, admin)
    statuses = [(await _login(world, admin)).status_code for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2


async def test_only_administrators_have_one_and_only_of_themselves(world) -> None:
    user, admin, key = await world.user(), await world.admin(), await world.api_key("admin")
    assert (await _begin(user)).status_code == 403
    body = {"current_password": PASSWORD}
    assert (await admin.call("POST", f"{user.path}/totp", json=body)).status_code == 403
    assert (await key.call("POST", f"{key.owner.path}/totp", json=body)).status_code == 403
    assert (await user.call("POST", f"{admin.path}/totp", json=body)).status_code == 404
    assert (await user.call("DELETE", f"{admin.path}/totp")).status_code == 404


async def test_setting_one_up_takes_the_password(world) -> None:
    """A stolen token would lock its owner out."""
    admin = await world.admin()
    assert (await _begin(admin, "wrong one")).json()["error"] == "current_password_wrong"
    assert (await admin.call("POST", f"{admin.path}/totp", json={})).status_code == 422


async def test_confirming_takes_a_code_of_the_last_secret_once_and_ends_other_sessions(world) -> None:
    admin = await world.admin()
    other = await world.log_in(admin.email)
    path = f"{admin.path}/totp/confirm"
    assert (await admin.call("POST", path, json={"code": "123456"})).json()["error"] == "totp_not_set_up"
    first = pyotp.TOTP((await _begin(admin)).json()["data"]["secret"])
    second = pyotp.TOTP((await _begin(admin)).json()["data"]["secret"])
    assert (await admin.call("POST", path, json={"code": _wrong(second)})).json()["error"] == "current_totp_wrong"
    assert (await admin.call("POST", path, json={"code": first.now()})).status_code == 403
    answers = await asyncio.gather(*(admin.call("POST", path, json={"code": second.now()}) for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert (await _begin(admin)).json()["error"] == "totp_enabled"
    refresh = {"refresh_token": other["refresh_token"]}
    assert (await world.http.post("/api/v1/auth/refresh", json=refresh)).status_code == 401
    assert (await admin.call("GET")).status_code == 200


async def test_removing_ones_own_takes_the_password_and_a_code(world) -> None:
    admin = await world.admin()
    codes, recovery = await _enable(world, admin)
    path = f"{admin.path}/totp"
    for body in ({}, {"code": codes.now()}, {"code": codes.now(), "current_password": "wrong one"}):
        assert (await admin.call("DELETE", path, json=body)).json()["error"] == "current_password_wrong"
    assert (await admin.call("DELETE", path)).status_code == 403
    body = {"current_password": PASSWORD}
    assert (await admin.call("DELETE", path, json=body)).json()["error"] == "current_totp_wrong"
    wrong = {**body, "code": _wrong(codes)}
    assert (await admin.call("DELETE", path, json=wrong)).json()["error"] == "current_totp_wrong"
    assert (await admin.call("DELETE", path, json={**body, "code": recovery[3]})).status_code == 200
    assert (await _login(world, admin)).status_code == 200
    assert (await admin.call("DELETE", path, json=body)).json()["error"] == "totp_not_set_up"


async def test_another_administrator_resets_it_and_an_api_key_does_not(world) -> None:
    admin, other, key = await world.admin(), await world.admin(), await world.api_key("admin", "users:write")
    await _enable(world, admin)
    assert (await key.call("DELETE", f"{admin.path}/totp")).status_code == 403
    assert (await other.call("DELETE", f"{admin.path}/totp")).status_code == 200
    assert (await admin.call("GET")).status_code == 401
    assert (await _login(world, admin)).status_code == 200


async def test_the_operator_lets_a_locked_out_administrator_in(world) -> None:
    admin = await world.admin()
    await _enable(world, admin)
    assert await clear_totp(world.database, world.audit, admin.email.upper()) is True
    assert await clear_totp(world.database, world.audit, admin.email) is False
    assert (await _login(world, admin)).status_code == 200
    await _enable(world, admin)
    passwords = Passwords(world.app.state.metrics.__class__(), workers=1)
    maker = AdminMaker(world.database, passwords, audit_trail("s" * 32))
    person = {"email": admin.email, "name": "Ada", "password": "a new password"}
    assert (await ensure_admin(maker, **person)).outcome == "unchanged"
    assert (await _login(world, admin)).json()["error"] == "totp_required"
    assert (await ensure_admin(maker, **person, promote=True)).outcome == "unlocked"
    passwords.close()
    assert (await _login(world, admin)).status_code == 200


async def test_a_new_password_by_mail_does_not_replace_the_code(make_world, gateway) -> None:
    world = await make_world(api_gateway_url=gateway.url, verify_emails=False)
    admin = await world.admin()
    await _enable(world, admin)
    await world.http.post("/api/v1/auth/password-reset", json={"email": admin.email})
    body = {"token": (await gateway.mail_to(admin.email)).variables["token"], "password": "another horse"}
    assert (await world.http.post("/api/v1/auth/password-reset/confirm", json=body)).status_code == 200
    assert (await _login(world, admin, password="another horse")).json()["error"] == "totp_required"


async def test_where_administrators_need_one_they_act_as_users_until_they_have_it(make_world) -> None:
    world = await make_world(admins_need_totp=True)
    admin = await world.admin()
    login = (await _login(world, admin)).json()["data"]
    assert (login["totp_needed"], login["user"]["role"]) == (True, "admin")
    assert (await admin.call("GET", OTHERS)).status_code == 403
    body = {"name": "x", "scopes": ["admin"]}
    assert (await admin.call("POST", "/api/v1/api-keys", json=body)).status_code == 403
    await _enable(world, admin)
    assert (await admin.call("GET", OTHERS)).status_code == 403, "this token was given out before"
    refreshed = await world.http.post("/api/v1/auth/refresh", json={"refresh_token": admin.refresh_token})
    admin.token = refreshed.json()["data"]["access_token"]
    assert (await admin.call("GET", OTHERS)).status_code == 200


async def test_a_token_of_an_administrator_from_before_the_setting_is_none(make_world) -> None:
    before = await make_world()
    admin = await before.admin()
    after = await make_world(admins_need_totp=True, database_url=before.settings.database_url)
    admin.world = after
    assert (await admin.call("GET", OTHERS)).json()["error"] == "token_revoked"
    refreshed = await after.http.post("/api/v1/auth/refresh", json={"refresh_token": admin.refresh_token})
    admin.token = refreshed.json()["data"]["access_token"]
    assert (await admin.call("GET", OTHERS)).status_code == 403
    assert (await admin.call("GET")).status_code == 200


async def test_with_another_secret_key_recovery_codes_are_left(make_world) -> None:
    before = await make_world()
    admin = await before.admin()
    codes, recovery = await _enable(before, admin)
    after = await make_world(
        secret_key="another-secret-key-of-the-operator-012345", database_url=before.settings.database_url
    )
    assert (await _login(after, admin, codes.now())).json()["error"] == "invalid_totp"
    assert (await _login(after, admin, recovery[0])).status_code == 200


@pytest.mark.parametrize("code", ["١٢٣٤٥٦", "12345", "x" * 41, "1\x00", "", 123456])
async def test_odd_codes_are_refused(world, code) -> None:
    admin = await world.admin()
    await _enable(world, admin)
    body = {"email": admin.email, "password": PASSWORD, "totp": code}
    assert (await world.http.post("/api/v1/auth/login", json=body)).status_code in {401, 422}


async def test_secrets_are_stored_encrypted_and_codes_hashed(world, capfd) -> None:
    admin = await world.admin()
    secret = (await _begin(admin)).json()["data"]["secret"]
    confirmed = await admin.call("POST", f"{admin.path}/totp/confirm", json={"code": pyotp.TOTP(secret).now()})
    async with world.database.begin() as connection:
        row = (await connection.execute(text("SELECT to_jsonb(t)::text FROM user_totp t"))).scalar_one()
    written = "".join(capfd.readouterr())
    for kept in (secret, *confirmed.json()["data"]["recovery_codes"]):
        assert kept not in row
        assert kept not in written
