"""A user's devices."""

import asyncio
from uuid import uuid4

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
    assert first.json()["data"] == again.json()["data"]
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


async def test_two_users_may_share_a_device_and_neither_can_take_it_away(world) -> None:
    one, two = await world.user(push_token="shared"), await world.user(push_token="shared")
    await two.call("DELETE", f"{two.path}/push-tokens?token=shared")
    assert await _tokens(one) == ["shared"]


async def test_a_subscription_is_taken_at_sign_up_and_handed_to_the_gateway(world) -> None:
    user = await world.user(push_token=SUBSCRIPTION)
    contact = await world.http.get(f"/internal/users/{user.id}", headers=world.service_headers())
    assert contact.json()["data"]["push_tokens"] == [
        {"provider": "web_push", "token": SUBSCRIPTION["endpoint"], "keys": SUBSCRIPTION["keys"]}
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
    assert await _tokens(user) == KNOWN


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
    """What every way to store a subscription answers."""
    given = {"push_token": subscription}
    sign_up = {"name": "x", "email": "x@example.com", "password": "x" * 8, **given}
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


async def test_what_no_push_service_gives_is_refused(world) -> None:
    user = await world.user()
    for token in NO_TOKENS:
        answer = await user.call("POST", f"{user.path}/push-tokens", json={"push_token": token})
        assert answer.status_code == 422, token
