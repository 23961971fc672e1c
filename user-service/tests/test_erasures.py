"""Deleting a user starts an erasure. Its receipt shows when it is complete."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from chassis.audit import AuditQuestion
from contracts.erasing import ErasureProgress
from testkit.dumping import dump
from testkit.eventually import eventually

CONTACT = {"name": "Zoe Marked", "email": "zoe.marked@example.com", "push_token": "device-marked"}


@pytest.fixture
async def world(make_world, gateway):
    return await make_world(api_gateway_url=gateway.url)


def _skip_quiet_period(world) -> None:
    """Erasures look for open deliveries at once."""
    world.app.state.services.erasures.quiet_period = timedelta(0)


async def _receipt(by, erasure_id: str) -> dict:
    answered = await by.call("GET", f"/api/v1/erasures/{erasure_id}")
    assert answered.status_code == 200, answered.text
    return answered.json()["data"]


async def _completed(by, erasure_id: str) -> dict:
    async def complete() -> bool:
        await _due_now(by.world)  # a failed request to the gateway is repeated when its lease ends
        return (await _receipt(by, erasure_id))["completed_at"] is not None

    await eventually(complete)
    return await _receipt(by, erasure_id)


async def _due_now(world) -> None:
    async with world.database.begin() as connection:
        await connection.execute(text("UPDATE erasures SET due_at = now() WHERE due_at IS NOT NULL"))


async def test_the_receipt_counts_what_there_was_and_is_complete_when_the_gateway_has_nothing_open(
    world, gateway
) -> None:
    _skip_quiet_period(world)
    admin, person = await world.admin(), await world.user(name="Zoe Marked", push_token="device-marked")
    gateway.progress = ErasureProgress(finished=True, open=1, notifications=3, deliveries=4, failed_messages=2)
    deleted = (await person.call("DELETE")).json()["data"]
    assert (deleted["user_id"], deleted["completed_at"]) == (person.id, None)
    assert (deleted["erased"]["devices"], deleted["erased"]["sessions"]) == (1, 1)

    async def counted() -> bool:
        return (await _receipt(admin, deleted["id"]))["erased"]["notifications"] == 3

    await eventually(counted)
    assert (await _receipt(admin, deleted["id"]))["completed_at"] is None, "one is on its way"
    await world.app.state.services.erasures.run_once()
    assert world.metric("erasure_oldest_seconds") > 0
    gateway.progress = ErasureProgress(finished=True, notifications=3, deliveries=4, failed_messages=1)
    receipt = await _completed(admin, deleted["id"])
    removed = receipt["erased"].pop("failed_messages")
    assert receipt["erased"] == {"devices": 1, "sessions": 1, "api_keys": 0, "notifications": 3, "deliveries": 4}
    assert removed >= 3, "each look tells what it removed"
    assert set(gateway.erased) == {UUID(person.id)}
    whole = await dump(world.settings.database_url)
    for marked in ("Zoe Marked", person.email, "device-marked"):
        assert marked not in whole
    async with world.database.begin() as connection:
        [event] = (await world.audit.find(connection, AuditQuestion(action="user.erased"))).events
    assert (event.target, event.actor) == (f"user:{person.id}", "service:user-service")
    assert event.after["notifications"] == 3
    assert world.metric("erasure_oldest_seconds") == 0
    asked = len(gateway.erased)
    await world.app.state.services.erasures.run_once()
    assert len(gateway.erased) == asked, "it is done with"


async def test_a_look_too_early_is_not_the_last_one(world, gateway) -> None:
    """A cached copy of the user may still be used to accept or send."""
    admin, person = await world.admin(), await world.user()
    deleted = (await person.call("DELETE")).json()["data"]

    async def asked() -> bool:
        return bool(gateway.erased)

    await eventually(asked)
    assert (await _receipt(admin, deleted["id"]))["completed_at"] is None
    gateway.progress = ErasureProgress(finished=True, seconds=40.0)
    async with world.database.begin() as connection:
        await connection.execute(
            text("UPDATE erasures SET requested_at = now() - interval '60 seconds', due_at = now()")
        )
    before = len(gateway.erased)

    async def asked_again() -> bool:
        return len(gateway.erased) > before

    await eventually(asked_again)
    assert (await _receipt(admin, deleted["id"]))["completed_at"] is None, "that look began too early"
    gateway.progress = ErasureProgress(finished=True, seconds=1.0)
    await _completed(admin, deleted["id"])


async def test_it_goes_on_when_the_gateway_is_back_and_after_a_restart(make_world, gateway) -> None:
    away = await make_world()
    admin, person = await away.admin(), await away.user()
    deleted = (await person.call("DELETE")).json()["data"]
    gateway.progress = None
    back = await make_world(api_gateway_url=gateway.url, database_url=away.settings.database_url)
    for world in (away, back):
        _skip_quiet_period(world)
    await _due_now(back)

    async def asked() -> bool:
        return bool(gateway.erased)

    await eventually(asked)
    assert (await _receipt(admin, deleted["id"]))["completed_at"] is None
    gateway.progress = ErasureProgress(finished=True)
    await _completed(admin, deleted["id"])


async def test_counts_of_an_unfinished_erasure_are_not_recorded(world, gateway) -> None:
    _skip_quiet_period(world)
    admin, person = await world.admin(), await world.user()
    gateway.progress = ErasureProgress(finished=False)
    deleted = (await person.call("DELETE")).json()["data"]

    async def asked_twice() -> bool:
        return len(gateway.erased) > 1

    await eventually(asked_twice)
    assert (await _receipt(admin, deleted["id"]))["completed_at"] is None
    gateway.progress = ErasureProgress(finished=True, notifications=1)
    assert (await _completed(admin, deleted["id"]))["erased"]["notifications"] == 1


async def test_a_receipt_is_for_administrators_and_for_the_application_whose_contact_it_was(world) -> None:
    key, other = await world.api_key("users:write", "users:read"), await world.api_key("users:read")
    contact = (await key.call("POST", "/api/v1/users", json=CONTACT)).json()["data"]
    deleted = (await key.call("DELETE", f"/api/v1/users/{contact['id']}")).json()["data"]
    path = f"/api/v1/erasures/{deleted['id']}"
    assert (await key.call("GET", path)).json()["data"]["user_id"] == contact["id"]
    assert (await (await world.admin()).call("GET", path)).status_code == 200
    foreign = await other.call("GET", path)
    missing = await other.call("GET", f"/api/v1/erasures/{uuid4()}")
    assert (foreign.status_code, foreign.json()) == (404, missing.json())
    person = await world.user()
    own = (await (await world.user()).call("DELETE")).json()["data"]
    assert (await other.call("GET", f"/api/v1/erasures/{own['id']}")).status_code == 404, (
        "a contact of another application"
    )
    assert (await person.call("GET", path)).status_code == 403
