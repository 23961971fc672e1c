"""With DATA_ENCRYPTION_KEYS the worker's database says nothing of people, whatever becomes of their mail."""

import asyncio
import base64
import os
import sys
from uuid import uuid4

import pytest
from pydantic import SecretStr

from contracts.addresses import fingerprint, masked
from testkit.dumping import dump

SECRET = f"geheim-{uuid4().hex}"
OLD, NEW = (f"{name}:{base64.b64encode(os.urandom(32)).decode()}" for name in ("old", "new"))
KEYS = {"data_encryption_keys": SecretStr(OLD)}


async def _reencrypt(world, keys: str) -> tuple[int, str]:
    """`python -m email_service reencrypt`."""
    environment = {**os.environ, "DATABASE_URL": world.settings.database_url, "DATA_ENCRYPTION_KEYS": keys}
    command = (sys.executable, "-m", "email_service", "reencrypt")
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


@pytest.fixture
def secret_message(message, lookups):
    """To an address that makes the mail server do what its name says."""

    def make(behaviour: str):
        user = lookups.add_user(f"{behaviour}+{SECRET}@example.com")
        return message(user, variables={"name": SECRET}, metadata={"order": SECRET})

    return make


async def test_no_personal_value_is_readable_while_a_mail_waits_is_sent_or_bounces(
    world, secret_message, inbox, until
) -> None:
    waits, bounces, url = secret_message("defer-2"), secret_message("bounce"), world.settings.database_url
    async with world.worker(**KEYS):
        await world.publish(waits, bounces)
        await until(lambda: {"retrying"} <= set(world.statuses(waits.notification_id)))
        assert SECRET not in await dump(url)
        await until(lambda: "failed" in world.statuses(bounces.notification_id))
        await until(lambda: "sent" in world.statuses(waits.notification_id))
        await until(lambda: inbox.emails.total == 1)
        assert SECRET not in (rows := await dump(url))
    words = world.last(bounces.notification_id).detail
    assert words not in rows, "a server may quote the address"
    assert "@example.com" not in rows, "not even the masked form on the suppression list"
    assert "email_suppressions" in rows


async def test_the_suppression_list_works_and_is_read_under_any_key(world, secret_message, until) -> None:
    bounces, again = secret_message("bounce"), secret_message("bounce")
    address = f"bounce+{SECRET}@example.com"
    async with world.worker(**KEYS):
        await world.publish(bounces)
        await until(lambda: "failed" in world.statuses(bounces.notification_id))
    status, output = await _reencrypt(world, f"{NEW},{OLD}")
    assert (status, "email_suppressions: 1 rows, 1 written anew" in output) == (0, True), output
    async with world.worker(data_encryption_keys=SecretStr(NEW)) as app:
        await world.publish(again)
        await until(lambda: "suppressed" in world.statuses(again.notification_id))
        found = await app.state.suppressions.get(fingerprint(address))
        assert (found.masked, found.notification_id) == (masked(address), bounces.notification_id)


async def test_a_mail_that_waits_under_a_missing_key_is_sent_when_the_key_is_back(
    world, secret_message, inbox, until
) -> None:
    waits = secret_message("defer-1")
    async with world.worker(**KEYS, retry_base_seconds=1.0):
        await world.publish(waits)
        await until(lambda: "retrying" in world.statuses(waits.notification_id))
    async with world.worker(data_encryption_keys=SecretStr(NEW)) as app:
        await until(lambda: app.state.metrics.get_sample_value("data_unreadable_total") > 0, within=20)
        health = await world.health(app)
        assert (health["status"], health["data"]["dependencies"]["data_keys"]["status"]) == ("degraded", "down")
        assert inbox.emails.total == 0
    assert (await _reencrypt(world, f"plain,{OLD}"))[0] == 0
    async with world.worker():
        await until(lambda: "sent" in world.statuses(waits.notification_id), within=30)
    assert inbox.emails.total == 1
