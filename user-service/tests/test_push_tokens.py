"""A user's devices."""

import asyncio
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from structlog.testing import capture_logs

from contracts.users import USER_CACHE
from testkit.eventually import eventually
from user_service.repositories import push_tokens

PASSWORD = "correct horse"
SUBSCRIPTION = {
    "endpoint": "https://fcm.googleapis.com/fcm/send/d61c5u920dw",
    "keys": {
        "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "auth": "BTBZMqHH6r4Tts7J_aSIgg",
    },
}
OFF_THE_CURVE = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAAAA"


async def _tokens(user) -> list[str]:
    return [token["token"] for token in (await user.call("GET", f"{user.path}/push-tokens")).json()["data"]]


async def test_a_token_is_added_once(world) -> None:
    user = await world.user()
    first = await user.call("POST", f"{user.path}/push-tokens", json={"push_token": "t1"})
    again = await user.call("POST", f"{user.path}/push-tokens", json={"token": "t1"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["data"]["id"] == again.json()["data"]["id"]
    assert await _tokens(user) == ["t1"]


async def test_a_token_is_removed_by_body_by_query_and_by_id(world) -> None:
    user = await world.user()
    ids = {}
    for token in ("t1", "t2", "t3", "t4"):
        added = await user.call("POST", f"{user.path}/push-tokens", json={"push_token": token})
        ids[token] = added.json()["data"]["id"]
    path = f"{user.path}/push-tokens"
    assert (await user.call("DELETE", path, json={"token": "t1"})).status_code == 200
    assert (await user.call("DELETE", f"{path}?token=t2")).status_code == 200
    assert (await user.call("DELETE", f"{path}/{ids['t3']}")).status_code == 200
    assert await _tokens(user) == ["t4"]
    for again in (f"{path}?token=t2", f"{path}/{ids['t3']}", f"{path}/{uuid4()}"):
        assert (await user.call("DELETE", again)).json()["error"] == "push_token_not_found"
    assert (await user.call("DELETE", path)).status_code == 422


async def test_the_fcm_token_is_replaced_and_subscriptions_stay(world) -> None:
    user = await world.user(push_token="t1")
    await user.call("POST", f"{user.path}/push-tokens", json={"push_token": "t2"})
    await user.call("POST", f"{user.path}/push-tokens", json={"push_token": SUBSCRIPTION})
    for token, left in (("t2", {"t2"}), ("t3", {"t3"}), (None, set())):
        answer = await user.call("PUT", f"{user.path}/push-token", json={"push_token": token})
        assert answer.status_code == 200
        assert set(await _tokens(user)) == left | {SUBSCRIPTION["endpoint"]}
        assert (await user.call("GET")).json()["data"]["push_token"] == token
    assert (await user.call("PUT", f"{user.path}/push-token", json={})).status_code == 422


async def test_a_user_has_a_bounded_number_of_tokens_even_when_added_at_once(world) -> None:
    user = await world.user()
    path = f"{user.path}/push-tokens"
    answers = await asyncio.gather(*(user.call("POST", path, json={"push_token": f"t{n}"}) for n in range(30)))
    assert sorted(answer.status_code for answer in answers) == [201] * 20 + [409] * 10
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert refused.json()["error"] == "too_many_push_tokens"
    kept = await _tokens(user)
    assert len(kept) == 20
    assert (await user.call("POST", path, json={"push_token": kept[0]})).status_code == 200


OTHER_KEYS = {
    "p256dh": "BIPUL12DLfytvTajnryr2PRdAgXS3HGKiLqndGcJGabyhHheJYlNGCeXl1dn18gSJ1WAkAPIxr4gK0_dQds4yiI",
    "auth": "AAAAAAAAAAAAAAAAAAAAAA",
}


async def _devices(world, user) -> list[dict]:
    """The devices of the user that a worker gets."""
    contact = await world.http.get(f"/internal/users/{user.id}", headers=world.service_headers())
    return contact.json()["data"]["push_tokens"]


def _registrations(token: object) -> list[tuple[str, str, dict]]:
    """Every way in which an existing user registers a device: method, path, body."""
    whole = {"name": "Ada", "email": f"{uuid4().hex}@example.com", "current_password": PASSWORD}
    return [
        ("POST", "/push-tokens", {"push_token": token}),
        ("PUT", "/push-token", {"push_token": token}),
        ("PATCH", "", {"push_token": token}),
        ("PUT", "", whole | {"push_token": token}),
    ]


@pytest.mark.parametrize("way", range(4))
@pytest.mark.parametrize("token", ["shared", SUBSCRIPTION])
async def test_a_device_belongs_to_whoever_registered_it_last(world, redis, way: int, token) -> None:
    one, two = await world.user(push_token=token), await world.user(push_token="of-two")
    [before] = await _devices(world, one)
    method, path, body = _registrations(token)[way]
    copies = [f"{USER_CACHE}:{user.id}" for user in (one, two)]
    for copy in copies:
        await redis.set(copy, b"an old copy")
    with capture_logs() as logs:
        answer = await two.call(method, two.path + path, json=body)
    assert answer.is_success, answer.text
    assert await _devices(world, one) == []
    assert before in await _devices(world, two)
    assert [await redis.get(copy) for copy in copies] == [b"", b""], "both readers' copies are gone"
    [event] = [entry for entry in logs if entry["event"] == "push_token.moved"]
    assert (event["actor"], event["user_id"], event["earlier_user_id"]) == (f"user:{two.id}", two.id, one.id)
    assert before["token"] not in str(logs)
    assert (await one.call("GET")).json()["data"]["push_token"] is None


async def test_a_device_is_taken_at_sign_up_too(world, redis) -> None:
    one = await world.user(push_token="shared")
    await redis.set(f"{USER_CACHE}:{one.id}", b"an old copy")
    with capture_logs() as logs:
        two = await world.user(push_token=" shared\n")
    assert (await _tokens(one), await _tokens(two)) == ([], ["shared"])
    assert not await redis.get(f"{USER_CACHE}:{one.id}")
    [event] = [entry for entry in logs if entry["event"] == "push_token.moved"]
    assert (event["actor"], event["earlier_user_id"]) == ("anonymous", one.id)


async def test_a_key_that_moves_a_device_is_named(world) -> None:
    one, two, key = await world.user(push_token="shared"), await world.user(), await world.api_key("users:write")
    with capture_logs() as logs:
        answer = await key.call("POST", f"{two.path}/push-tokens", json={"push_token": "shared"})
    assert answer.status_code == 201
    [event] = [entry for entry in logs if entry["event"] == "push_token.moved"]
    assert (event["actor"], event["earlier_user_id"]) == (f"key:{key.application_id}", one.id)


async def test_a_device_that_moved_is_another_one_and_its_users_newest(world) -> None:
    one, two = await world.user(push_token="shared"), await world.user()
    path = "/push-tokens"
    old_id = (await one.call("GET", one.path + path)).json()["data"][0]["id"]
    await two.call("POST", two.path + path, json={"push_token": "of-two"})
    await two.call("POST", two.path + path, json={"push_token": "shared"})
    assert await _tokens(two) == ["of-two", "shared"]
    assert (await two.call("GET")).json()["data"]["push_token"] == "shared"
    for user in (one, two):
        assert (await user.call("DELETE", f"{user.path}{path}/{old_id}")).status_code == 404
    assert (await one.call("DELETE", f"{one.path}{path}?token=shared")).status_code == 404
    assert await _tokens(two) == ["of-two", "shared"]


async def test_registering_an_own_device_again_changes_nothing(world) -> None:
    user = await world.user(push_token="mine")
    with capture_logs() as logs:
        for method, path, body in _registrations("mine"):
            assert (await user.call(method, user.path + path, json=body)).is_success
    assert not [entry for entry in logs if entry["event"] == "push_token.moved"]


async def test_a_browser_comes_with_its_new_keys_however_its_endpoint_is_spelled(world) -> None:
    one, two = await world.user(push_token=SUBSCRIPTION), await world.user()
    endpoint = SUBSCRIPTION["endpoint"].replace("fcm.googleapis.com", "FCM.googleapis.com:443")
    moved = {"endpoint": f" {endpoint}\t", "keys": OTHER_KEYS}
    await two.call("POST", f"{two.path}/push-tokens", json={"push_token": moved})
    assert await _devices(world, one) == []
    assert await _devices(world, two) == [
        {"provider": "web_push", "token": SUBSCRIPTION["endpoint"], "keys": OTHER_KEYS, "environment": None}
    ]
    assert (await two.call("DELETE", f"{two.path}/push-tokens", json={"token": endpoint})).status_code == 200


@pytest.mark.parametrize("written", ["t1", " t1", "t1 ", "\tt1\r\n", "\u00a0t1\u2003"])
async def test_blanks_around_a_token_make_no_other_device(world, written: str) -> None:
    user = await world.user(push_token="t1")
    answer = await user.call("POST", f"{user.path}/push-tokens", json={"push_token": written})
    assert answer.status_code == 200
    assert await _tokens(user) == ["t1"]
    assert (await user.call("DELETE", f"{user.path}/push-tokens", json={"token": written})).status_code == 200


async def test_a_device_registered_by_many_at_once_has_one_user(world) -> None:
    people = [await world.user() for _ in range(4)]
    for _ in range(5):
        token = uuid4().hex
        answers = await asyncio.gather(
            *(person.call("POST", f"{person.path}/push-tokens", json={"push_token": token}) for person in people)
        )
        assert {answer.status_code for answer in answers} == {201}
        owners = [person for person in people if token in await _tokens(person)]
        assert len(owners) == 1


@pytest.mark.parametrize("way", [1, 2])
async def test_people_who_swap_their_phones_at_the_same_time_do_not_block_each_other(world, way: int) -> None:
    """Each of the four calls locks both devices."""
    one, two = await world.user(push_token="x"), await world.user(push_token="y")
    for _ in range(12):
        calls = []
        for user, token in ((one, "y"), (two, "x"), (one, "x"), (two, "y")):
            method, path, body = _registrations(token)[way]
            calls.append(user.call(method, user.path + path, json=body))
        answers = await asyncio.wait_for(asyncio.gather(*calls), 10)
        assert {answer.status_code for answer in answers} == {200}
        theirs = [*await _tokens(one), *await _tokens(two)]
        assert len(theirs) == len(set(theirs))


async def test_devices_are_held_in_the_order_of_their_tokens(world) -> None:
    """In any other order two requests for the same two devices would deadlock. They are stored in the opposite order."""
    user = await world.user()
    for token in ("b", "a"):
        await user.call("POST", f"{user.path}/push-tokens", json={"push_token": token})
    lock = "SELECT 1 FROM user_push_tokens WHERE token = '{}' FOR UPDATE {}"
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%token%'")

    async def hold() -> None:
        async with world.database.begin() as connection:
            await push_tokens.lock_devices(connection, UUID(user.id))

    async def waits() -> bool:
        """In a transaction of its own: a transaction sees only the activity of its first query."""
        async with world.database.begin() as connection:
            return bool((await connection.execute(waiting)).scalar_one())

    async with world.database.begin() as first:
        await first.execute(text(lock.format("a", "")))
        task = asyncio.create_task(hold())
        await eventually(waits, 10)
        async with world.database.begin() as other:
            await other.execute(text(lock.format("b", "NOWAIT")))
    await asyncio.wait_for(task, 10)


async def test_a_device_of_somebody_who_is_deleted_meanwhile_is_still_registered(world) -> None:
    two = await world.user()
    for _ in range(4):
        one = await world.user(push_token="shared")
        gone, taken = await asyncio.gather(
            one.call("DELETE"), two.call("POST", f"{two.path}/push-tokens", json={"push_token": "shared"})
        )
        assert (gone.status_code, taken.status_code) == (200, 201)
        assert await _tokens(two) == ["shared"]


async def test_a_device_that_is_one_too_many_stays_whose_it_was(world) -> None:
    one, two = await world.user(push_token="shared"), await world.user()
    for number in range(20):
        await two.call("POST", f"{two.path}/push-tokens", json={"push_token": f"t{number}"})
    answer = await two.call("POST", f"{two.path}/push-tokens", json={"push_token": "shared"})
    assert (answer.status_code, answer.json()["error"]) == (409, "too_many_push_tokens")
    assert await _tokens(one) == ["shared"]


async def test_a_subscription_is_taken_at_sign_up_and_handed_to_the_gateway(world) -> None:
    user = await world.user(push_token=SUBSCRIPTION)
    contact = await world.http.get(f"/internal/users/{user.id}", headers=world.service_headers())
    assert contact.json()["data"]["push_tokens"] == [
        {"provider": "web_push", "token": SUBSCRIPTION["endpoint"], "keys": SUBSCRIPTION["keys"], "environment": None}
    ]


KNOWN = [
    "https://updates.push.services.mozilla.com/wpush/v2/x",
    "https://eu.updates.push.services.mozilla.com/x",
    "https://db5p.notify.windows.com/w/?token=x",
    "https://web.push.apple.com/x",
    "https://FCM.googleapis.com:443/fcm/send/x",
]


async def test_the_known_push_services_are_accepted(world) -> None:
    user = await world.user()
    for endpoint in KNOWN:
        body = {"push_token": {**SUBSCRIPTION, "endpoint": endpoint}}
        assert (await user.call("POST", f"{user.path}/push-tokens", json=body)).status_code == 201, endpoint
    assert await _tokens(user) == [*KNOWN[:-1], "https://fcm.googleapis.com/fcm/send/x"]


REFUSED = [
    "http://fcm.googleapis.com/x",
    "https://example.com/x",
    "https://fcm.googleapis.com.example.com/x",
    "https://evilfcm.googleapis.com/x",
    "https://notify.windows.com/x",
    "https://evilnotify.windows.com/x",
    "https://fcm.googleapis.com@169.254.169.254/x",
    "https://169.254.169.254#.notify.windows.com/x",
    "https://169.254.169.254\\.notify.windows.com/x",
    "https://x@fcm.googleapis.com/x",
    "https://fcm.googleapis.com:8443/x",
    "https://127.0.0.1/x",
    "https://2130706433/x",
    "https://[::ffff:127.0.0.1]/x",
    "https://[64:ff9b::7f00:1]/x",
    "https://fcm.googleapis.com",
    "https://fcm.googleapis.com./x",
    "https:///x",
    "//fcm.googleapis.com/x",
]


async def test_no_other_endpoint_is_stored(world) -> None:
    user = await world.user()
    for endpoint in REFUSED:
        assert await _statuses(user, {**SUBSCRIPTION, "endpoint": endpoint}) == [422] * 4, endpoint
    assert await _tokens(user) == []


async def _statuses(user, subscription: dict) -> list[int]:
    """The answer of every way to store a subscription."""
    given = {"push_token": subscription}
    sign_up = {"name": "x", "email": "x@example.com", "password": "correct horse", **given}
    ways = (
        ("POST", f"{user.path}/push-tokens", given),
        ("PUT", f"{user.path}/push-token", given),
        ("PATCH", user.path, given),
        ("POST", "/api/v1/users", sign_up),
    )
    return [(await user.call(method, path, json=body)).status_code for method, path, body in ways]


async def test_an_ip_address_is_no_host_even_when_the_operator_lists_it(make_world) -> None:
    world = await make_world(web_push_hosts="127.0.0.1, push.example.com")
    user = await world.user()
    path = f"{user.path}/push-tokens"
    for host, status in (("127.0.0.1", 422), ("fcm.googleapis.com", 422), ("push.example.com", 201)):
        body = {"push_token": {**SUBSCRIPTION, "endpoint": f"https://{host}/x"}}
        assert (await user.call("POST", path, json=body)).status_code == status


NO_TOKENS = [
    "",
    "with blank",
    "nul\x00",
    "ü",
    "x" * 2049,
    7,
    [],
    {"endpoint": SUBSCRIPTION["endpoint"]},
    {**SUBSCRIPTION, "keys": {**SUBSCRIPTION["keys"], "auth": "short"}},
    {**SUBSCRIPTION, "keys": {**SUBSCRIPTION["keys"], "p256dh": "AAAA"}},
    {**SUBSCRIPTION, "keys": {**SUBSCRIPTION["keys"], "p256dh": OFF_THE_CURVE}},
    {**SUBSCRIPTION, "keys": {**SUBSCRIPTION["keys"], "p256dh": "ü"}},
]


async def test_what_is_wrong_is_named_as_the_caller_named_it(world) -> None:
    user = await world.user()
    elsewhere = {**SUBSCRIPTION, "endpoint": REFUSED[1]}
    cut = {**SUBSCRIPTION, "keys": {**SUBSCRIPTION["keys"], "auth": "short"}}
    for name in ("push_token", "token"):
        fcm = {"provider": "fcm", "token": "t"}
        for given, field in (
            (7, name),
            ("", name),
            (fcm, name),
            (elsewhere, f"{name}.endpoint"),
            (cut, f"{name}.keys.auth"),
        ):
            for method, path in (("POST", "push-tokens"), ("PUT", "push-token")):
                answer = await user.call(method, f"{user.path}/{path}", json={name: given})
                assert [one["field"] for one in answer.json()["data"]["errors"]] == [field], (method, given)


async def test_what_no_push_service_gives_is_refused(world) -> None:
    user = await world.user()
    for token in NO_TOKENS:
        answer = await user.call("POST", f"{user.path}/push-tokens", json={"push_token": token})
        assert answer.status_code == 422, token


async def test_a_page_gets_the_key_to_subscribe_with(make_world) -> None:
    world = await make_world(vapid_public_key=SUBSCRIPTION["keys"]["p256dh"])
    found = await world.http.get("/api/v1/push/vapid-key")
    assert (found.status_code, found.json()["data"]) == (200, {"public_key": SUBSCRIPTION["keys"]["p256dh"]})


async def test_without_a_key_there_is_no_web_push(world) -> None:
    found = await world.http.get("/api/v1/push/vapid-key")
    assert (found.status_code, found.json()["error"]) == (404, "web_push_not_configured")


async def test_the_simulated_push_service_is_known_only_where_it_is_set(world, make_world) -> None:
    simulated = {**SUBSCRIPTION, "endpoint": "http://127.0.0.1:8025/web-push/a-browser"}
    user = await world.user()
    assert (await user.call("POST", f"{user.path}/push-tokens", json={"push_token": simulated})).status_code == 422
    development = await make_world(web_push_simulator_url="http://127.0.0.1:8025")
    user = await development.user()
    assert (await user.call("POST", f"{user.path}/push-tokens", json={"push_token": simulated})).status_code == 201
    for path in ("/api/messages", "/web-push/../api", "/web-push/a/b", "/web-push/"):
        elsewhere = {**SUBSCRIPTION, "endpoint": f"http://127.0.0.1:8025{path}"}
        answer = await user.call("POST", f"{user.path}/push-tokens", json={"push_token": elsewhere})
        assert answer.status_code == 422, path


APPLE = "9c4b5ff4f4f2e6ae1d2e4c4d0f5e0e8b8a1c3b7d6e5f4a3b2c1d0e9f8a7b6c5d"


@pytest.mark.parametrize("way", range(4))
async def test_an_apple_device_is_registered_and_shown_to_the_workers(world, way: int) -> None:
    user = await world.user(push_token="an-fcm-token")
    method, path, body = _registrations({"provider": "apns", "token": f" {APPLE.upper()}\n"})[way]
    if way == 3:
        body |= {"email": user.email}
    assert (await user.call(method, user.path + path, json=body)).is_success
    found = await _devices(world, user)
    assert {"provider": "apns", "token": APPLE, "keys": None, "environment": None} in found
    assert len(found) == 2, "the FCM token stays"
    assert (await user.call("DELETE", f"{user.path}/push-tokens?token={APPLE}")).status_code == 200


@pytest.mark.parametrize(
    "given",
    [
        {"provider": "apns", "token": "a" * 63},
        {"provider": "apns", "token": "a" * 65},
        {"provider": "apns", "token": "g" * 64},
        {"provider": "apns", "token": "a" * 202},
        {"provider": "apns", "token": f"../{APPLE}"},
        {"provider": "apns", "token": None},
        {"provider": "apns"},
        {"provider": "carrier_pigeon", "token": APPLE},
        {"provider": "apns", "token": APPLE, "environment": "development"},
        {"provider": "apns", "token": APPLE, "environment": ""},
        {"provider": None, **SUBSCRIPTION},
        {"provider": "fcm", "token": "registration-token"},
    ],
)
async def test_what_is_no_apple_device_is_refused(world, given) -> None:
    user = await world.user()
    answer = await user.call("POST", f"{user.path}/push-tokens", json={"push_token": given})
    assert answer.status_code == 422
    assert all(error["field"].startswith("push_token") for error in answer.json()["data"]["errors"])


async def _register(user, environment: object = None, *, token: str = APPLE) -> dict:
    given = {"provider": "apns", "token": token} | ({} if environment is None else {"environment": environment})
    answer = await user.call("POST", f"{user.path}/push-tokens", json={"push_token": given})
    assert answer.is_success, answer.text
    return answer.json()["data"]


async def test_a_device_has_the_environment_that_it_was_registered_with_last(world) -> None:
    user = await world.user()
    for environment in ("sandbox", "production", None, "sandbox"):
        assert (await _register(user, environment))["environment"] == environment
        [shown] = (await user.call("GET", f"{user.path}/push-tokens")).json()["data"]
        assert shown["environment"] == environment
        [found] = await _devices(world, user)
        assert found == {"provider": "apns", "token": APPLE, "keys": None, "environment": environment}
    other = await world.user()
    assert (await _register(other, "production"))["environment"] == "production", "it moves with its new environment"


async def test_a_device_that_comes_back_has_its_environment_anew(world) -> None:
    user = await world.user()
    first = await _register(user, "sandbox")
    assert (await user.call("DELETE", f"{user.path}/push-tokens/{first['id']}")).status_code == 200
    again = await _register(user)
    assert (again["id"], again["environment"]) == (first["id"], None)


async def test_only_a_device_of_apple_has_an_environment(world) -> None:
    user = await world.user(push_token="an-fcm-token")
    [shown] = (await user.call("GET", f"{user.path}/push-tokens")).json()["data"]
    assert shown["environment"] is None
    async with world.database.begin() as connection:
        with pytest.raises(IntegrityError, match="ck_user_push_tokens_environment"):
            await connection.execute(text("UPDATE user_push_tokens SET environment = 'sandbox'"))
