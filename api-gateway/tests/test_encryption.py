"""With DATA_ENCRYPTION_KEYS the database holds no plain personal values, and everything works as without."""

import asyncio
import base64
import os
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

import orjson
import pytest
from sqlalchemy import text

from api_gateway.repositories.personal import PERSONAL
from chassis.json_values import to_json_text
from chassis.postgres.database import Database
from chassis.security import Sender, hash_api_key, new_api_key
from chassis.security.data_keys import DataKeys
from chassis.server.reencrypting import reencrypt
from contracts.callers import ApiKeyInfo
from contracts.messages import NotificationMessage
from testkit.dumping import dump
from testkit.eventually import eventually

SECRET = f"geheim-{uuid4().hex}"
OLD, NEW = (f"{name}:{base64.b64encode(os.urandom(32)).decode()}" for name in ("old", "new"))
SENDER = UUID(int=1)
GIVEN = {"variables": {"name": SECRET, "z": 1, "a": [SECRET]}, "metadata": {"order": SECRET}}
MOMENT = {"lease_seconds": 0.3}


@pytest.fixture(autouse=True)
def _template(peers) -> None:
    peers.add_template()


def _user(peers) -> str:
    return str(peers.add_user(name=SECRET, email=f"{SECRET}@example.com").id)


async def _accepted(gateway, user: str, **changes: object) -> str:
    answered = await gateway.send(user_id=user, **GIVEN, **changes)
    assert answered.status_code == 202, answered.text
    return str(answered.json()["data"]["notification_id"])


async def _message_of(gateway, notification_id: str) -> bytes:
    """The next message of this notification. With a very short lease an earlier one may have been published twice."""
    while True:
        for body in await gateway.published():
            if NotificationMessage.model_validate_json(body).notification_id == UUID(notification_id):
                return body


async def _says_nothing(gateway) -> bool:
    return SECRET not in await dump(gateway.settings.database_url)


def _is_whole(body: bytes) -> bool:
    message = NotificationMessage.model_validate_json(body)
    assert (dict(message.variables), dict(message.metadata)) == (GIVEN["variables"], GIVEN["metadata"])
    assert orjson.dumps(GIVEN["variables"]) in body, "as the caller wrote it"
    return message.recipient.email == f"{SECRET}@example.com"


async def _misses_a_key(gateway) -> bool:
    health = (await gateway.http.get("/health")).json()
    seen = (health["status"], health["data"]["dependencies"]["data_keys"]["error"])
    return seen == ("degraded", "ValueUnreadable")


def _rows(dumped: str) -> list[str]:
    return sorted(line for line in dumped.splitlines() if line.startswith(("notifications", "idempotency_keys")))


async def _reencrypt(gateway, keys: str) -> tuple[int, str]:
    """`python -m api_gateway reencrypt`."""
    environment = {**os.environ, "DATABASE_URL": gateway.settings.database_url, "DATA_ENCRYPTION_KEYS": keys}
    command = (sys.executable, "-m", "api_gateway", "reencrypt")
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def test_the_database_never_holds_plain_personal_values(start, peers) -> None:
    gateway, user = await start(data_encryption_keys=OLD), _user(peers)
    name = await _accepted(gateway, user)
    assert await _says_nothing(gateway)
    assert _is_whole((await gateway.published())[0])
    await gateway.until(name, "queued")
    await gateway.report(name, "retrying", code="deferred", detail=f"not now, {SECRET}", attempts=1)
    await gateway.report(name, "failed", code="bounced", detail=f"no {SECRET} here", attempts=2)
    detail = await gateway.until(name, "failed")
    assert await _says_nothing(gateway)
    assert (detail["error_detail"], detail["metadata"]) == (f"no {SECRET} here", GIVEN["metadata"])
    said = [step["detail"] for step in detail["timeline"] if step["detail"]]
    assert said == [f"not now, {SECRET}", f"no {SECRET} here"]
    retried = await gateway.http.post(f"/api/v1/notifications/{name}/retry", headers=gateway.token())
    assert retried.status_code == 202
    assert _is_whole((await gateway.published())[0])
    await gateway.until(name, "queued")
    assert (await gateway.callback(name, "failed", error=f"{SECRET} moved")).status_code == 200
    detail = await gateway.detail(name)
    assert detail["error_detail"] == f"{SECRET} moved"
    assert [step["detail"] for step in detail["timeline"] if step["detail"]] == [*said, f"{SECRET} moved"]
    listed = await gateway.http.get("/api/v1/notifications", headers=gateway.token())
    assert [one["metadata"] for one in listed.json()["data"]] == [GIVEN["metadata"]]
    assert await _says_nothing(gateway)


async def test_nor_of_what_is_looked_up_later(start, peers) -> None:
    gateway, user = await start(data_encryption_keys=OLD), _user(peers)
    peers.down = True
    await _accepted(gateway, user, headers=gateway.token())
    assert await _says_nothing(gateway)
    peers.down = False
    assert _is_whole((await gateway.published())[0])
    assert await _says_nothing(gateway)


async def test_why_it_could_not_be_published_stays_in_the_story_when_it_is_tried_again(start, peers) -> None:
    gateway, user = await start(data_encryption_keys=OLD), peers.add_user()
    peers.down = True
    name = await _accepted(gateway, str(user.id))
    del peers.users[user.id]
    peers.down = False
    why = (await gateway.until(name, "failed"))["error_detail"]
    assert why
    assert why not in await dump(gateway.settings.database_url)
    peers.users[user.id] = user
    await gateway.forget(user)
    retried = await gateway.http.post(f"/api/v1/notifications/{name}/retry", headers=gateway.token())
    assert retried.status_code == 202
    detail = await gateway.until(name, "queued")
    assert [step["detail"] for step in detail["timeline"] if step["status"] == "failed"] == [why]


async def test_the_check_of_a_repeat_gives_no_short_value_away_and_works_across_keys(start, peers) -> None:
    first, user = await start(data_encryption_keys=OLD), _user(peers)
    name = await _accepted(first, user, request_id="r-1")
    assert "idempotency_keys" in (rows := await dump(first.settings.database_url))
    assert [line for line in rows.splitlines() if line.startswith("idempotency_keys") and "enc1:old:" not in line] == []
    for keys in (f"{NEW},{OLD}", f"plain,{OLD}"):
        later = await start(data_encryption_keys=keys)
        assert await _accepted(later, user, request_id="r-1") == name
        other = await later.send(user_id=user, **{**GIVEN, "metadata": {}}, request_id="r-1")
        assert (other.status_code, other.json()["error"]) == (422, "idempotency_key_reused")
    without = await start()
    fresh = {"notification_type": "email", "template_code": "welcome", "user_id": user, "request_id": "r-2", **GIVEN}
    batch = {"notifications": [{**fresh, "request_id": "r-1"}, fresh]}
    answered = await without.http.post("/api/v1/notifications/batch", json=batch, headers=without.token(SENDER))
    assert [one["error"] for one in answered.json()["data"]["results"]] == ["value_unreadable", None]


async def test_values_that_look_encrypted_are_the_callers_own(start, peers) -> None:
    user = _user(peers)
    looks = DataKeys.parse(OLD).seal("notifications.variables", uuid4(), "{}")
    for keys in (None, OLD):
        gateway = await start(data_encryption_keys=keys, relay_interval_seconds=1_000)
        answered = await gateway.send(user_id=user, variables={"name": looks}, metadata={looks: looks})
        name = answered.json()["data"]["notification_id"]
        assert NotificationMessage.model_validate_json((await gateway.published())[0]).variables["name"] == looks
        await gateway.until(name, "queued")
        await gateway.report(name, "failed", code="x", detail=looks)
        detail = await gateway.until(name, "failed")
        reading = await start(data_encryption_keys=f"{NEW},{OLD}", relay_interval_seconds=1_000)
        for one in (detail, await reading.detail(name)):
            assert (one["metadata"], one["error_detail"], one["timeline"][-1]["detail"]) == (
                {looks: looks},
                looks,
                looks,
            )


async def test_a_row_whose_key_is_missing_stays_is_shown_and_goes_when_the_key_is_back(start, peers) -> None:
    user = _user(peers)
    sender = await start(data_encryption_keys=OLD, relay_interval_seconds=1_000)
    peers.down = True  # so that it waits
    sealed = await _accepted(sender, user)
    late = await _accepted(sender, user, expires_at="2030-01-01T00:00:00Z")
    peers.down = False
    without = await start(data_encryption_keys=NEW, **MOMENT)
    plain = await _accepted(without, user)
    assert _is_whole(await _message_of(without, plain)), "others go on"
    await eventually(partial(_misses_a_key, without))  # its relay has met them
    refused = await without.http.get(f"/api/v1/notifications/{sealed}", headers=without.token())
    assert (refused.status_code, refused.json()["error"]) == (503, "value_unreadable")
    assert without.app.state.metrics.get_sample_value("data_unreadable_total") > 0
    await without.change(f"UPDATE notifications SET expires_at = now() WHERE id = '{late}'")
    await sender.until(late, "expired")
    assert (await sender.detail(sealed))["status"] == "pending"
    back = await start(data_encryption_keys=f"{NEW},{OLD}", **MOMENT)
    assert _is_whole(await _message_of(back, sealed))


async def test_the_senders_name_is_encrypted_too_and_goes_along_under_every_key(start, peers) -> None:
    key = new_api_key()
    sender = Sender(SECRET, f"{SECRET}@example.com", f"{SECRET}@example.org")
    peers.api_keys[hash_api_key(key)] = ApiKeyInfo(
        id=uuid4(), user_id=uuid4(), scopes=("notifications:write",), application_id=uuid4(), sender=sender
    )
    first = await start(data_encryption_keys=OLD, relay_interval_seconds=1_000)
    later = (datetime.now(UTC) + timedelta(1)).isoformat()
    url = first.settings.database_url
    sent = await first.send(user_id=str(peers.add_user().id), headers={"X-API-Key": key}, send_at=later)
    assert sent.status_code == 202
    assert SECRET not in "".join(_rows(await dump(url)))
    for keys, sealed in ((f"plain,{OLD}", False), (OLD, True), (f"{NEW},{OLD}", True)):
        assert (await _reencrypt(first, keys))[0] == 0
        assert (SECRET not in "".join(_rows(await dump(url)))) is sealed
    await first.change("UPDATE notifications SET due_at = now()")
    last = await start(data_encryption_keys=NEW)
    assert NotificationMessage.model_validate_json((await last.published())[0]).sender == sender


async def test_a_value_that_was_put_into_another_row_is_refused(start, peers) -> None:
    gateway, user = await start(data_encryption_keys=OLD, relay_interval_seconds=1_000), _user(peers)
    one, other = await _accepted(gateway, user), await _accepted(gateway, user)
    copied = "UPDATE notifications n SET {0} = o.{1} FROM notifications o WHERE n.id = '{2}' AND o.id = '{3}'"
    for columns in (("given_metadata", "given_variables", one, one), ("given_metadata", "given_metadata", one, other)):
        await gateway.change(copied.format(*columns))
        refused = await gateway.http.get(f"/api/v1/notifications/{one}", headers=gateway.token())
        assert (refused.status_code, refused.json()["error"]) == (503, "value_unreadable")
    assert (await gateway.detail(other))["metadata"] == GIVEN["metadata"]


async def test_the_command_encrypts_rotates_and_goes_back_while_gateways_run(start, peers) -> None:
    """Meanwhile notifications that were accepted under another key, or without one, are read, published and retried."""
    user = _user(peers)
    plain = await start(relay_interval_seconds=1_000)
    waiting = await _accepted(plain, user, request_id="r-1", send_at=(datetime.now(UTC) + timedelta(1)).isoformat())
    failed = await _accepted(plain, user)
    await plain.published()
    await plain.report(failed, "retrying", code="deferred", detail=f"not now, {SECRET}")
    await plain.report(failed, "failed", code="bounced", detail=f"no {SECRET}")
    detail = await plain.until(failed, "failed")
    before = await dump(plain.settings.database_url)

    steps = [(f"plain,{OLD}", None), (OLD, "enc1:old:"), (f"{NEW},{OLD}", "enc1:new:"), (f"plain,{NEW}", None)]
    for keys, expected in steps:
        running = await start(
            data_encryption_keys=f"{keys},{OLD}" if OLD not in keys else keys, relay_interval_seconds=1_000
        )
        status, output = await _reencrypt(running, keys)
        assert (status, "notifications: 2 rows" in output) == (0, True), output
        rows = await dump(running.settings.database_url)
        assert (SECRET in rows) == (expected is None)
        assert rows.count("enc1:") == rows.count(expected or "enc1:")
        assert {**await running.detail(failed), "updated_at": 0} == {**detail, "updated_at": 0}
        assert "0 written anew" in (await _reencrypt(running, keys))[1].splitlines()[0]
    assert _rows(rows) == _rows(before), "every byte as it was"

    assert (await _reencrypt(running, NEW))[0] == 0
    status, output = await _reencrypt(running, OLD)
    assert (status, "2 rows were left" in output, "new" in output) == (1, True, True)
    await running.change(f"UPDATE notifications SET due_at = now() WHERE id = '{waiting}'")
    last = await start(data_encryption_keys=NEW)
    assert _is_whole((await last.published())[0])


async def test_a_row_that_changes_while_the_command_runs_is_not_overwritten(start, peers) -> None:
    """A gateway may write a row between the command's reading and its writing."""
    gateway, user, keys = await start(relay_interval_seconds=1_000), _user(peers), DataKeys.parse(OLD)
    name = await _accepted(gateway, user)
    await gateway.published()
    await gateway.until(name, "queued")
    database, table = Database(gateway.settings.database_url), PERSONAL[0]
    async with database.begin() as connection:
        [row] = (await connection.execute(table.page, {**table.start, "limit": 10})).all()
    await gateway.report(name, "failed", code="bounced", detail=SECRET)
    await gateway.until(name, "failed")
    stale = [{"id": row.id, "version": row.version, **table.rewrite(row, keys)}]
    async with database.begin() as connection:
        assert (await connection.execute(table.write, {"rows": to_json_text(stale)})).all() == []
    async with database.begin() as connection:  # somebody holds the row
        await connection.execute(text("SELECT 1 FROM notifications FOR UPDATE"))
        waiting = asyncio.create_task(reencrypt(database, table, keys))
        assert await asyncio.wait([waiting], timeout=0.3) == (set(), {waiting})
    assert (await waiting).written == 1
    await database.close()
    assert await _says_nothing(gateway)
    reading = await start(data_encryption_keys=OLD, relay_interval_seconds=1_000)
    assert (await reading.detail(name))["error_detail"] == SECRET


@pytest.mark.parametrize("keys", ["", "old:abc"])
async def test_the_command_without_good_keys_is_one_line(gateway, keys) -> None:
    status, output = await _reencrypt(gateway, keys)
    assert status in {1, 2}
    assert "DATA_ENCRYPTION_KEYS" in output
    assert len(output.splitlines()) == 1
