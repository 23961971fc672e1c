"""Removed devices: the reason and time, without their tokens, for a limited time."""

import asyncio
from datetime import datetime
from uuid import uuid4

import pytest
from sqlalchemy import text

from contracts.recipients import device_fingerprint
from contracts.services import PUSH_SERVICE
from testkit.dumping import dump
from user_service.repositories import removed_devices
from user_service.repositories.removed_devices import MAX_REMOVED

APPLE = "9c4b5ff4f4f2e6ae1d2e4c4d0f5e0e8b8a1c3b7d6e5f4a3b2c1d0e9f8a7b6c5d"


async def _devices(user) -> list[dict]:
    return (await user.call("GET", f"{user.path}/push-tokens")).json()["data"]


async def _removed(user) -> list[dict]:
    return (await user.call("GET", f"{user.path}/removed-push-tokens")).json()["data"]


async def _reasons(user) -> dict[str, str]:
    return {one["fingerprint"]: one["removed_because"] for one in await _removed(user)}


async def _register(user, token: object = "phone", status: int = 201) -> dict:
    answer = await user.call("POST", f"{user.path}/push-tokens", json={"push_token": token})
    assert answer.status_code == status, answer.text
    return answer.json()["data"]


async def _report_dead(user, token: str, **fields: object) -> bool:
    answer = await user.world.http.post(
        f"/internal/users/{user.id}/push-tokens/remove",
        json={"token": token, **fields},
        headers=user.world.service_headers(caller=PUSH_SERVICE),
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]["removed"]


async def _age(world, interval: str) -> None:
    """Everything happened so long ago."""
    async with world.database.begin() as connection:
        await connection.execute(
            text(
                f"UPDATE user_push_tokens SET created_at = created_at - interval '{interval}',"
                f" last_seen_at = last_seen_at - interval '{interval}'"
            )
        )
        await connection.execute(text(f"UPDATE removed_devices SET removed_at = removed_at - interval '{interval}'"))


def _fcm(token: str) -> str:
    return device_fingerprint("fcm", token)


async def test_a_device_says_when_it_was_registered_last(world) -> None:
    user = await world.user()
    first = await _register(user)
    await _age(world, "1 day")
    [before] = await _devices(user)
    again = await _register(user, status=200)
    assert (again["id"], again["created_at"]) == (first["id"], before["created_at"])
    assert datetime.fromisoformat(again["last_seen"]) > datetime.fromisoformat(before["last_seen"])
    assert again["fingerprint"] == _fcm("phone")


async def test_a_device_of_the_release_before_was_seen_when_it_was_registered(world) -> None:
    user = await world.user(push_token="phone")
    async with world.database.begin() as connection:
        await connection.execute(text("UPDATE user_push_tokens SET last_seen_at = NULL"))
    [device] = await _devices(user)
    assert device["last_seen"] == device["created_at"]
    assert await _report_dead(user, "phone", age_seconds=3600) is False
    assert await _report_dead(user, "phone", age_seconds=0) is True


async def test_a_dead_device_is_listed_without_its_token(world) -> None:
    user = await world.user(push_token="dead-phone-of-ada")
    [device] = await _devices(user)
    assert await _report_dead(user, "dead-phone-of-ada", age_seconds=0)
    [removed] = await _removed(user)
    assert removed.pop("removed_at") > device["last_seen"]
    assert removed == {
        "id": device["id"],
        "provider": "fcm",
        "fingerprint": _fcm("dead-phone-of-ada"),
        "created_at": device["created_at"],
        "last_seen": device["last_seen"],
        "removed_because": "unregistered",
    }
    assert await _devices(user) == []
    assert "dead-phone-of-ada" not in await dump(world.settings.database_url)


async def test_a_removed_device_shows_who_removed_it(world) -> None:
    user, admin, key = await world.user(), await world.admin(), await world.api_key("users:write")
    path = f"{user.path}/push-tokens"
    for token in ("of-user", "of-admin", "of-key"):
        await _register(user, token)
    for who, token in ((user, "of-user"), (admin, "of-admin"), (key, "of-key")):
        assert (await who.call("DELETE", f"{path}?token={token}")).status_code == 200
    await _register(user, {"provider": "apns", "token": APPLE})
    [device] = await _devices(user)
    assert (await user.call("DELETE", f"{path}/{device['id']}")).status_code == 200
    assert await _reasons(user) == {
        _fcm("of-user"): "by_user",
        _fcm("of-admin"): "by_admin",
        _fcm("of-key"): "by_application",
        device_fingerprint("apns", APPLE): "by_user",
    }


async def test_replaced_fcm_tokens_differ_from_cleared_ones(world) -> None:
    user = await world.user(push_token="first")
    for token in ("second", "second", None):
        answer = await user.call("PUT", f"{user.path}/push-token", json={"push_token": token})
        assert answer.status_code == 200
    assert await _reasons(user) == {_fcm("first"): "replaced", _fcm("second"): "by_user"}
    assert [one["fingerprint"] for one in await _removed(user)] == [_fcm("second"), _fcm("first")]


async def test_a_device_that_moved_and_came_back_is_the_same_one(world) -> None:
    one, two = await world.user(), await world.user()
    first = await _register(one)
    moved = await _register(two)
    assert moved["id"] != first["id"]
    assert (await _reasons(one), await _reasons(two)) == ({_fcm("phone"): "moved"}, {})
    back = await _register(one)
    assert back["id"] == first["id"]
    assert (await _reasons(one), await _reasons(two)) == ({}, {_fcm("phone"): "moved"})


async def test_a_device_that_is_registered_again_is_back(world) -> None:
    user = await world.user()
    first = await _register(user)
    assert await _report_dead(user, "phone", age_seconds=0)
    again = await _register(user)
    assert again["id"] == first["id"]
    assert [one["id"] for one in await _devices(user)] == [first["id"]]
    assert await _removed(user) == []


async def test_a_late_report_does_not_remove_a_device_that_was_registered_again_since(world) -> None:
    user = await world.user()
    await _register(user)
    await _age(world, "1 hour")
    await _register(user, status=200)
    assert await _report_dead(user, "phone", age_seconds=60) is False, "the provider was called a minute ago"
    assert len(await _devices(user)) == 1
    await _age(world, "2 minutes")
    assert await _report_dead(user, "phone", age_seconds=60) is True


async def test_a_report_of_a_worker_of_the_release_before_removes_the_device(world) -> None:
    user = await world.user(push_token="phone")
    assert await _report_dead(user, "phone") is True


@pytest.mark.parametrize("age", [-1, "soon", 1e300])
async def test_a_report_without_a_possible_age_is_refused(world, age) -> None:
    user = await world.user(push_token="phone")
    answer = await world.http.post(
        f"/internal/users/{user.id}/push-tokens/remove",
        json={"token": "phone", "age_seconds": age},
        headers=world.service_headers(caller=PUSH_SERVICE),
    )
    assert (answer.status_code, answer.json()["data"]["errors"][0]["field"]) == (422, "age_seconds")


async def test_removals_are_bounded_in_number_and_in_time(world) -> None:
    user = await world.user()
    for number in range(MAX_REMOVED + 3):
        await user.call("PUT", f"{user.path}/push-token", json={"push_token": f"t{number}"})
    removed = await _removed(user)
    assert len(removed) == MAX_REMOVED
    assert removed[0]["fingerprint"] == _fcm(f"t{MAX_REMOVED + 1}")
    await _age(world, "31 days")
    assert await _removed(user) == []
    await user.call("PUT", f"{user.path}/push-token", json={"push_token": "last"})
    async with world.database.begin() as connection:
        await removed_devices.remove_old(connection)
        assert (await connection.execute(text("SELECT count(*) FROM removed_devices"))).scalar_one() == 1


async def test_nobody_else_sees_them(world) -> None:
    user, other, admin = await world.user(push_token="phone"), await world.user(), await world.admin()
    await user.call("DELETE", f"{user.path}/push-tokens?token=phone")
    path = f"{user.path}/removed-push-tokens"
    assert (await other.call("GET", path)).status_code == 404
    assert len((await admin.call("GET", path)).json()["data"]) == 1


async def test_they_are_exported_and_go_with_their_user(make_world, gateway) -> None:
    world = await make_world(api_gateway_url=gateway.url)
    user = await world.user(push_token="phone")
    await user.call("DELETE", f"{user.path}/push-tokens?token=phone")
    export = (await user.call("GET", f"{user.path}/export")).json()["data"]
    assert export["removed_devices"] == await _removed(user)
    assert (await user.call("DELETE")).status_code == 200
    assert _fcm("phone") not in await dump(world.settings.database_url)


async def test_those_of_a_user_whom_the_release_before_deleted_go_too(world) -> None:
    user = await world.user(push_token="phone")
    await user.call("DELETE", f"{user.path}/push-tokens?token=phone")
    async with world.database.begin() as connection:
        await connection.execute(text("DELETE FROM users WHERE id = CAST(:id AS uuid)"), {"id": user.id})
        assert await removed_devices.remove_old(connection) == 1


async def test_dead_devices_reported_at_once_and_registered_at_once_do_not_block_each_other(world) -> None:
    user = await world.user()
    tokens = [uuid4().hex for _ in range(8)]
    for _ in range(3):
        reports = [_report_dead(user, token) for token in tokens]
        added = [user.call("POST", f"{user.path}/push-tokens", json={"push_token": token}) for token in tokens]
        answers = await asyncio.wait_for(asyncio.gather(*added, *reports), 10)
        assert {answer.status_code for answer in answers[: len(tokens)]} <= {200, 201}
    listed = [one["fingerprint"] for one in (*await _devices(user), *await _removed(user))]
    assert sorted(listed) == sorted(_fcm(token) for token in tokens), "each one is either there or removed"
