"""A new password by mail: for its owner, once, without revealing who has an account."""

import asyncio
import operator

import pytest
from sqlalchemy import text

from chassis.security import RevokedTokens
from contracts.users import USER_CACHE
from testkit.eventually import eventually, other_tasks
from user_service.errors import InvalidMailedToken

NEW = "another horse"
ASK, CONFIRM = "/api/v1/auth/password-reset", "/api/v1/auth/password-reset/confirm"


@pytest.fixture
async def world(make_world, gateway):
    return await make_world(verify_emails=False, api_gateway_url=gateway.url)


async def _ask(world, email: str, **options: object):
    return await world.http.post(ASK, json={"email": email}, **options)


async def _confirm(world, token: str, password: str = NEW):
    return await world.http.post(CONFIRM, json={"token": token, "password": password})


async def _all_mails_accepted(world) -> None:
    """Every requested mail was accepted by the gateway or dropped."""
    await eventually(lambda: _rows(world, "mail_due_at IS NOT NULL"), 20, until=operator.not_)


async def _rows(world, condition: str = "true") -> int:
    async with world.database.begin() as connection:
        return (await connection.execute(text(f"SELECT count(*) FROM mailed_tokens WHERE {condition}"))).scalar_one()


async def _change(world, statement: str) -> None:
    async with world.database.begin() as connection:
        await connection.execute(text(statement))


async def test_the_mails_token_sets_a_password_and_ends_every_session(world, gateway) -> None:
    user = await world.user(name="Ada", language="de")
    assert (await _ask(world, user.email.upper())).status_code == 202
    mail = await gateway.mail_to(user.email)
    assert (mail.template_code, mail.language, str(mail.user_id)) == ("system.password_reset", "de", user.id)
    assert mail.recipient.name == ""
    assert (mail.variables["link"], mail.variables["valid_hours"]) == ("", "1")
    assert (await _confirm(world, f" {mail.variables['token']}\n")).status_code == 200
    assert (await world.try_login(user.email)).status_code == 401
    assert (await world.try_login(user.email, NEW)).status_code == 200
    assert (await user.call("GET")).status_code == 401
    refreshed = await world.http.post("/api/v1/auth/refresh", json={"refresh_token": user.refresh_token})
    assert refreshed.status_code == 401
    assert await RevokedTokens(world.redis).is_revoked((await _claims(world, user)).session_id)


async def _claims(world, user):
    return await world.app.state.services.verifier.verify(user.token)


async def test_a_known_and_an_unknown_address_get_the_same_answer(world, gateway) -> None:
    """The request does the same work for both; the difference is made when the mail goes to the gateway."""
    user = await world.sign_up()
    counted = []
    answers = []
    for email in (user["email"], "nobody@example.com"):
        before = world.metric("password_hash_seconds_count", operation="hash")
        answers.append(await _ask(world, email))
        counted.append(world.metric("password_hash_seconds_count", operation="hash") - before)
    assert answers[0].content == answers[1].content
    assert [answer.status_code for answer in answers] == [202, 202]
    assert counted == [0, 0]
    await gateway.mail_to(user["email"])
    await _all_mails_accepted(world)
    assert [mail.recipient.email for mail in gateway.mails] == [user["email"]]
    assert await _rows(world) == 1, "of the unknown address nothing is left"


async def test_a_request_writes_the_same_for_a_known_and_an_unknown_address(make_world) -> None:
    world = await make_world(verify_emails=False)  # the gateway is down, so the rows stay
    user = await world.sign_up()
    await _change(world, "DELETE FROM mailed_tokens")
    async with world.database.begin() as connection:
        await connection.execute(text("LOCK TABLE mailed_tokens IN SHARE ROW EXCLUSIVE MODE"))
        asked = [asyncio.create_task(_ask(world, email)) for email in (user["email"], "nobody@example.com")]
        done, _ = await asyncio.wait(asked, timeout=0.5)
        assert not done, "both wait for the same row to be written"
    assert [answer.status_code for answer in await asyncio.gather(*asked)] == [202, 202]


async def test_a_disabled_user_gets_no_mail(world, gateway) -> None:
    user, admin = await world.sign_up(), await world.admin()
    await admin.call("POST", f"/api/v1/users/{user['id']}/disable")
    await _ask(world, user["email"])
    await _all_mails_accepted(world)
    assert gateway.sent_to(user["email"]) == []


async def test_a_token_works_once_and_two_at_the_same_time_are_one(world, gateway) -> None:
    user = await world.sign_up()
    await _ask(world, user["email"])
    token = (await gateway.mail_to(user["email"])).variables["token"]
    answers = await asyncio.gather(_confirm(world, token), _confirm(world, token, "a third horse"))
    assert sorted(answer.status_code for answer in answers) == [200, 422]
    again = await _confirm(world, token)
    assert (again.status_code, again.json()["error"]) == (422, "invalid_token")
    assert again.json()["data"]["errors"][0]["field"] == "token"


async def test_a_new_mail_makes_earlier_tokens_void(world, gateway) -> None:
    user = await world.sign_up()
    for _ in range(2):
        await _ask(world, user["email"])
    await gateway.mail_to(user["email"], 2)
    await _all_mails_accepted(world)
    first, second = [mail.variables["token"] for mail in gateway.sent_to(user["email"])]
    assert (await _confirm(world, first)).status_code == 422
    assert (await _confirm(world, second)).status_code == 200


async def test_an_expired_token_is_refused_and_goes(world, gateway) -> None:
    user = await world.sign_up()
    await _ask(world, user["email"])
    token = (await gateway.mail_to(user["email"])).variables["token"]
    await _all_mails_accepted(world)
    tokens, expire = world.app.state.services.password_resets.tokens, "UPDATE mailed_tokens SET expires_at = now()"
    async with world.database.begin() as connection:  # before the loop that removes it can see that
        await connection.execute(text(expire))
        with pytest.raises(InvalidMailedToken):
            await tokens.spend(connection, token, "password_reset")
    assert (await _confirm(world, token)).status_code == 422
    await eventually(lambda: _rows(world), 20, until=operator.not_)


async def test_a_bad_token_or_password_costs_no_hash(world) -> None:
    before = world.metric("password_hash_seconds_count", operation="hash")
    assert (await _confirm(world, "x" * 43)).status_code == 422
    for token, password in (("x" * 43, "short"), ("", NEW), ("x" * 1_000, NEW), ("x", "password123")):
        assert (await _confirm(world, token, password)).status_code == 422
    assert world.metric("password_hash_seconds_count", operation="hash") == before


async def test_a_mailed_token_of_another_purpose_sets_no_password(world, gateway) -> None:
    user = await world.sign_up()
    await _ask(world, user["email"])
    token = (await gateway.mail_to(user["email"])).variables["token"]
    await _change(world, "UPDATE mailed_tokens SET purpose = 'verify_email'")
    assert (await _confirm(world, token)).status_code == 422


async def test_a_token_of_an_address_that_the_user_has_no_more_sets_no_password(world, gateway) -> None:
    user = await world.sign_up()
    await _ask(world, user["email"])
    token = (await gateway.mail_to(user["email"])).variables["token"]
    await _change(
        world, f"UPDATE users SET email = 'b@example.com', email_key = 'b@example.com' WHERE id = '{user['id']}'"
    )
    assert (await _confirm(world, token)).status_code == 422
    assert (await world.try_login("b@example.com", NEW)).status_code == 401


async def test_a_victim_is_sent_five_mails_an_hour_whoever_asks(world, gateway) -> None:
    user = await world.sign_up()
    for known in (user["email"], "nobody@example.com"):
        statuses = []
        for number in range(9):
            async with world.seen_from(f"192.0.2.{number}") as http:
                answer = await http.post(ASK, json={"email": known})
                statuses.append(answer.status_code)
        assert statuses == [202] * 5 + [429] * 4
        assert (answer.json()["error"], answer.headers["Retry-After"] > "0") == ("too_many_mails", True)
    await _all_mails_accepted(world)
    assert len(gateway.sent_to(user["email"])) <= 5


async def test_one_who_asks_for_many_addresses_is_bounded(make_world, gateway) -> None:
    world = await make_world(verify_emails=False, api_gateway_url=gateway.url, account_mails_per_client_per_hour=3)
    statuses = [(await _ask(world, f"user{n}@example.com")).status_code for n in range(5)]
    assert statuses == [202] * 3 + [429] * 2


async def test_a_gateway_that_is_down_or_whose_answer_is_lost_costs_no_mail_and_makes_no_second(
    make_world, gateway, databases
) -> None:
    world = await make_world(verify_emails=False)
    user = await world.sign_up()
    await _ask(world, user["email"])
    await other_tasks()
    gateway.loses_answers = 1
    await make_world(verify_emails=False, api_gateway_url=gateway.url, database_url=world.settings.database_url)
    await _due_now(world, gateway, asked=1)
    await _due_now(world, gateway, asked=2)
    [mail] = gateway.sent_to(user["email"])
    assert (await _confirm(world, mail.variables["token"])).status_code == 200


async def _due_now(world, gateway, *, asked: int) -> None:
    """Ends the lease of a mail that another process has taken."""

    async def asked_so_often() -> bool:
        if gateway.asked < asked:
            await _change(world, "UPDATE mailed_tokens SET mail_due_at = now() WHERE mail_due_at IS NOT NULL")
        return gateway.asked >= asked

    await eventually(asked_so_often, 20, every=0.05)


async def test_a_mail_that_the_gateway_refuses_is_kept(world, gateway) -> None:
    gateway.refuses = 422
    user = await world.sign_up()
    await _ask(world, user["email"])
    await eventually(lambda: gateway.asked, 20)
    assert await _rows(world, "mail_due_at IS NOT NULL") >= 1
    gateway.refuses = None
    await _due_now(world, gateway, asked=2)
    await gateway.mail_to(user["email"])
    assert world.metric("account_mails_total", outcome="refused") >= 1


async def test_links_lead_to_the_page_that_takes_the_token(make_world, gateway) -> None:
    world = await make_world(
        verify_emails=False, api_gateway_url=gateway.url, account_url="https://app.example.com/account/"
    )
    user = await world.sign_up()
    await _ask(world, user["email"])
    variables = (await gateway.mail_to(user["email"])).variables
    expected = f"https://app.example.com/account#action=password-reset&token={variables['token']}"
    assert variables["link"] == expected


async def test_no_token_is_stored_or_logged(world, gateway, capfd) -> None:
    user = await world.sign_up()
    await _ask(world, user["email"])
    token = (await gateway.mail_to(user["email"])).variables["token"]
    async with world.database.begin() as connection:
        rows = (await connection.execute(text("SELECT to_jsonb(m)::text FROM mailed_tokens m"))).scalars().all()
    assert rows
    assert not any(token in row for row in rows)
    await _confirm(world, token)
    written = "".join(capfd.readouterr())
    assert "user.password_reset" in written
    assert token not in written
    assert user["email"] not in written


async def _contact(world, email: str, external_id: str, key=None):
    key = key or await world.api_key("users:write")
    answer = await key.call("PUT", f"/api/v1/users/external/{external_id}", json={"name": "Ada", "email": email})
    assert answer.status_code == 201, answer.text
    return key, answer.json()["data"]


async def test_a_contact_gets_the_first_password_and_is_an_account_then(world, gateway) -> None:
    key, contact = await _contact(world, "ada@example.com", "a")
    _, later = await _contact(world, "Ada@example.com", "b")
    await _ask(world, "ada@example.com")
    mail = await gateway.mail_to("ada@example.com")
    assert str(mail.user_id) == contact["id"]
    copy = f"{USER_CACHE}:{contact['id']}"
    await world.redis.set(copy, b"a reader's copy: no account")
    assert (await _confirm(world, mail.variables["token"])).status_code == 200
    assert await world.redis.get(copy) == b""
    claimed = (await world.log_in("ada@example.com", NEW))["user"]
    assert (claimed["id"], claimed["contact"], claimed["email_verified"]) == (contact["id"], False, True)
    await _ask(world, "ada@example.com")
    assert str((await gateway.mail_to("ada@example.com", 2)).user_id) == contact["id"], "the account comes first"
    assert (key.id, later["id"]) != (contact["id"], contact["id"])


async def test_a_contact_with_a_new_address_is_not_claimed_over_the_old_one(world, gateway) -> None:
    key, _ = await _contact(world, "old@example.com", "a")
    await _ask(world, "old@example.com")
    token = (await gateway.mail_to("old@example.com")).variables["token"]
    moved = {"name": "Ada", "email": "new@example.com"}
    assert (await key.call("PUT", "/api/v1/users/external/a", json=moved)).status_code == 200
    assert (await _confirm(world, token)).status_code == 422
    assert (await world.try_login("new@example.com", NEW)).status_code == 401
