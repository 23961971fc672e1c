"""Addresses: verified by a mailed token, and changed by the reader of the new address's mail."""

import asyncio
import operator

import pytest
from sqlalchemy import text

from testkit.eventually import eventually

NEW, PASSWORD = "another horse", "correct horse"
AUTH = "/api/v1/auth"


@pytest.fixture
async def world(make_world, gateway):
    return await make_world(api_gateway_url=gateway.url)


async def _post(world, path: str, **body: object):
    return await world.http.post(f"{AUTH}/{path}", json=body)


async def _token(gateway, address: str, template: str, number: int = 1) -> str:
    """Of the mail of that kind which came to the address as the n-th."""

    def came() -> list:
        return [m for m in gateway.sent_to(address) if m.template_code == f"system.{template}"]

    mails = await eventually(came, 20, until=lambda mails: len(mails) >= number)
    return mails[number - 1].variables["token"]


async def _verified(world, gateway, **more: object):
    """A user whose address is confirmed."""
    user = await world.user(**more)
    answer = await _post(world, "verify-email", token=await _token(gateway, user.email, "verify_email"))
    assert answer.status_code == 200, answer.text
    return user


async def _move(user, address: str):
    return await user.call("PATCH", json={"email": address, "current_password": PASSWORD})


async def _tokens(world, condition: str) -> int:
    async with world.database.begin() as connection:
        return (await connection.execute(text(f"SELECT count(*) FROM mailed_tokens WHERE {condition}"))).scalar_one()


async def test_a_new_user_confirms_the_address_and_needs_not(world, gateway) -> None:
    user = await world.user(name="Win a prize at example.com")
    assert (await user.call("GET")).json()["data"]["email_verified"] is False
    token = await _token(gateway, user.email, "verify_email")
    [mail] = gateway.sent_to(user.email)
    assert "prize" not in mail.model_dump_json(), "a stranger's text is not mailed to the address that they gave"
    assert (await _post(world, "verify-email", token=token)).status_code == 200
    assert (await user.call("GET")).json()["data"]["email_verified"] is True
    assert (await _post(world, "verify-email", token=token)).json()["error"] == "invalid_token"


async def test_new_users_get_no_mail_where_the_operator_wants_none(make_world) -> None:
    world = await make_world(verify_emails=False)
    await world.sign_up()
    assert await _tokens(world, "true") == 0


async def test_many_sign_ups_of_one_address_succeed_and_send_no_more_mails_than_it_may_ask_for(make_world) -> None:
    world = await make_world(account_mails_per_client_per_hour=2)
    for _ in range(4):
        await world.sign_up()
    assert await _tokens(world, "purpose = 'verify_email'") == 2


async def test_signing_up_again_and_again_with_anothers_address_sends_five_mails(world, gateway) -> None:
    for number in range(7):
        async with world.seen_from(f"192.0.2.{number + 10}") as http:
            body = {"name": "Eve", "email": "victim@example.com", "password": PASSWORD}
            assert (await http.post("/api/v1/users", json=body)).status_code == 201
            login = await world.log_in("victim@example.com")
            headers = {"Authorization": f"Bearer {login['access_token']}"}
            assert (await http.delete(f"/api/v1/users/{login['user']['id']}", headers=headers)).status_code == 200
    await eventually(lambda: _tokens(world, "true"), 20, until=operator.not_)
    assert len(gateway.sent_to("victim@example.com")) <= 5


async def test_the_mail_can_be_asked_for_again_and_earlier_ones_are_void(world, gateway) -> None:
    user = await world.user()
    first = await _token(gateway, user.email, "verify_email")
    assert (await user.call("POST", f"{AUTH}/verify-email/resend")).status_code == 202
    second = await _token(gateway, user.email, "verify_email", 2)
    assert (await _post(world, "verify-email", token=first)).status_code == 422
    assert (await _post(world, "verify-email", token=second)).status_code == 200
    assert (await user.call("POST", f"{AUTH}/verify-email/resend")).status_code == 202
    assert await _tokens(world, "true") == 0, "a confirmed address is asked nothing"
    assert (await _post(world, "verify-email/resend")).status_code == 401


async def test_asking_again_is_bounded(world) -> None:
    user = await world.user()
    statuses = [(await user.call("POST", f"{AUTH}/verify-email/resend")).status_code for _ in range(6)]
    assert statuses == [202] * 4 + [429] * 2


async def test_a_new_address_of_ones_own_takes_effect_when_it_is_confirmed(world, gateway) -> None:
    user = await _verified(world, gateway)
    answer = await _move(user, "new@example.com")
    assert (answer.status_code, answer.json()["data"]["email"]) == (200, user.email)
    assert answer.json()["data"]["pending_email"] == "new@example.com"
    assert "confirmed" in answer.json()["message"]
    assert (await world.try_login("new@example.com")).status_code == 401
    confirmed = await _post(world, "confirm-address", token=await _token(gateway, "new@example.com", "confirm_address"))
    data = confirmed.json()["data"]
    assert (data["email"], data["email_verified"], data["pending_email"]) == ("new@example.com", True, None)
    assert (await world.try_login("new@example.com")).status_code == 200
    assert (await world.try_login(user.email)).status_code == 401


async def test_the_reader_of_the_old_address_takes_it_back_with_a_new_password(world, gateway) -> None:
    user = await _verified(world, gateway)
    await _move(user, "thief@example.com")
    await _post(world, "confirm-address", token=await _token(gateway, "thief@example.com", "confirm_address"))
    thief = await world.log_in("thief@example.com")
    await _move(user, "thief2@example.com")
    await _post(world, "confirm-address", token=await _token(gateway, "thief2@example.com", "confirm_address"))
    thiefs = await _token(gateway, "thief@example.com", "address_changed")
    await _post(world, "password-reset", email="thief2@example.com")
    reset = await _token(gateway, "thief2@example.com", "password_reset")
    token = await _token(gateway, user.email, "address_changed")
    assert (await _post(world, "take-back-address", token=token, password=NEW)).status_code == 200
    assert (await world.try_login(user.email, NEW)).status_code == 200
    assert (await world.try_login(user.email)).status_code == 401
    refreshed = await _post(world, "refresh", refresh_token=thief["refresh_token"])
    assert refreshed.status_code == 401
    for path, void in (("take-back-address", thiefs), ("password-reset/confirm", reset), ("take-back-address", token)):
        assert (await _post(world, path, token=void, password="a third horse")).status_code == 422


async def test_the_thiefs_token_does_not_take_the_owners_away(world, gateway) -> None:
    user = await _verified(world, gateway)
    for thief in ("thief@example.com", "thief2@example.com"):
        await _move(user, thief)
        await _post(world, "confirm-address", token=await _token(gateway, thief, "confirm_address"))
    thiefs = await _token(gateway, "thief@example.com", "address_changed")
    owners = await _token(gateway, user.email, "address_changed")
    assert (await _post(world, "take-back-address", token=thiefs, password=NEW)).status_code == 200
    assert (await _post(world, "take-back-address", token=owners, password="a third horse")).status_code == 200
    assert (await world.try_login(user.email, "a third horse")).status_code == 200


async def test_an_old_address_that_was_never_confirmed_gets_no_mail(world, gateway) -> None:
    user = await world.user()
    await _move(user, "new@example.com")
    await _post(world, "confirm-address", token=await _token(gateway, "new@example.com", "confirm_address"))
    assert await _tokens(world, "purpose = 'take_back_address'") == 0


async def test_another_address_makes_what_was_mailed_to_the_old_one_void(world, gateway) -> None:
    user = await world.user()
    verify = await _token(gateway, user.email, "verify_email")
    await _post(world, "password-reset", email=user.email)
    reset = await _token(gateway, user.email, "password_reset")
    await _move(user, "new@example.com")
    await _post(world, "confirm-address", token=await _token(gateway, "new@example.com", "confirm_address"))
    assert (await _post(world, "verify-email", token=verify)).status_code == 422
    assert (await _post(world, "password-reset/confirm", token=reset, password=NEW)).status_code == 422


async def test_the_last_new_address_counts_and_a_new_password_ends_it(world, gateway) -> None:
    user = await world.user()
    await _move(user, "first@example.com")
    first = await _token(gateway, "first@example.com", "confirm_address")
    await _move(user, "second@example.com")
    second = await _token(gateway, "second@example.com", "confirm_address")
    assert (await _post(world, "confirm-address", token=first)).status_code == 422
    await _post(world, "password-reset", email=user.email)
    await _post(
        world, "password-reset/confirm", token=await _token(gateway, user.email, "password_reset"), password=NEW
    )
    assert (await _post(world, "confirm-address", token=second)).status_code == 422
    assert (await world.log_in(user.email, NEW))["user"]["pending_email"] is None


async def test_the_first_user_who_confirms_an_address_gets_it(world, gateway) -> None:
    one, two = await world.user(), await world.user()
    for user in (one, two):
        assert (await _move(user, "new@example.com")).status_code == 200
    first = await _token(gateway, "new@example.com", "confirm_address")
    second = await _token(gateway, "new@example.com", "confirm_address", 2)
    answers = await asyncio.gather(*(_post(world, "confirm-address", token=token) for token in (first, second)))
    assert sorted(answer.status_code for answer in answers) == [200, 409]


async def test_an_administrator_changes_an_address_at_once_and_the_old_one_gets_a_mail(world, gateway) -> None:
    user, admin = await _verified(world, gateway), await world.admin()
    changed = (await admin.call("PATCH", user.path, json={"email": "new@example.com"})).json()
    assert (changed["data"]["email"], changed["data"]["email_verified"]) == ("new@example.com", False)
    assert await _token(gateway, user.email, "address_changed") == ""
    await eventually(lambda: _tokens(world, "purpose = 'address_notice'"), 20, until=operator.not_)


async def test_an_administrators_own_new_address_waits_as_well(world) -> None:
    admin = await world.admin()
    assert (await _move(admin, "new@example.com")).json()["data"]["email"] == admin.email


async def test_the_same_address_in_other_capitals_is_no_move(world, gateway) -> None:
    user = await _verified(world, gateway)
    shouted = f"{user.email.split('@')[0].upper()}@example.com"
    data = (await user.call("PATCH", json={"email": shouted})).json()["data"]
    assert (data["email"], data["email_verified"], data["pending_email"]) == (shouted, True, None)


async def test_mails_to_addresses_that_a_user_gives_for_their_own_are_bounded(make_world) -> None:
    world = await make_world(account_mails_per_client_per_hour=3)
    user = await world.user()
    statuses = [(await _move(user, f"victim{number}@example.com")).status_code for number in range(3)]
    assert statuses == [200, 200, 429]
