"""A person who is deleted while mails of every kind are on their way: afterwards nothing of them is anywhere."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from redis import Redis

from testkit.dumping import dump
from testkit.eventually import wait_until
from tests.faults.lab import Lab
from tests.faults.test_broker import at_broker, bodies_of_failed

WAIT_SECONDS = 120  # half a minute until what was erased is looked at for the last time


@pytest.fixture
def lab(started_lab: Lab) -> Iterator[Lab]:
    yield started_lab
    started_lab.heal()


def _places(lab: Lab, secret: str) -> list[str]:
    """Where it stands: databases, Redis, dead letters, logs."""
    system = lab.system
    held = {service: asyncio.run(dump(url)) for service, url in system.databases.items()}
    with Redis.from_url(system.redis_url, decode_responses=True, encoding_errors="replace") as redis:
        readers = {"string": redis.get, "hash": redis.hgetall, "zset": lambda key: redis.zrange(key, 0, -1)}
        held["redis"] = "\n".join(f"{key} {readers[redis.type(key)](key)}" for key in redis.scan_iter(count=1_000))
    held["failed.queue"] = "\n".join(body.decode(errors="replace") for body in at_broker(lab, bodies_of_failed))
    held |= {log.name: log.read_text(errors="replace") for log in system.folder.glob("*-*.log")}
    return sorted(place for place, text in held.items() if secret in text)


def _person(lab: Lab, secret: str, behaviour: str) -> str:
    person = {
        "name": f"Zoe {secret}",
        "email": f"{behaviour}+{secret}@example.com",
        "password": uuid4().hex,
        "push_token": f"device-{secret}-{behaviour}",
    }
    return str(lab.system.call("POST", "/users/", person)["id"])


def test_nothing_of_a_deleted_person_is_anywhere_and_the_counts_stay(lab: Lab) -> None:
    secret = f"geheim-{uuid4().hex}"
    given = {"variables": {"name": secret, "link": f"https://example.com/{secret}"}, "metadata": {"order": secret}}
    bounces, waits = _person(lab, secret, "bounce"), _person(lab, secret, "defer-9")
    sent = lab.system.send("push", bounces, **given)
    bounced = lab.system.send("email", bounces, **given)
    lab.until_ended([sent, bounced])
    lab.until(lambda: "failed.queue" in _places(lab, secret), "the dead letter is there")
    retrying = lab.system.send("email", waits, **given)
    lab.until(lambda: lab.detail(retrying)["attempts"] > 0, "it is tried again later")
    later = lab.system.send("email", waits, **given, send_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    accepted = lab.system.call("GET", "/reconcile")["accepted"]
    export = lab.system.call("GET", f"/users/{waits}/export")
    assert [one["variables"]["name"] for one in export["notifications"]] == [secret, secret]
    assert export["user"]["name"] == f"Zoe {secret}"

    receipts = [lab.system.call("DELETE", f"/users/{user}")["id"] for user in (bounces, waits)]

    def completed() -> bool:
        return all(lab.system.call("GET", f"/erasures/{one}")["completed_at"] for one in receipts)

    wait_until(completed, WAIT_SECONDS, "each erasure's end", every=0.5)
    assert _places(lab, secret) == []
    first, second = (lab.system.call("GET", f"/erasures/{one}")["erased"] for one in receipts)
    assert (first["notifications"], first["deliveries"], first["failed_messages"], first["devices"]) == (2, 2, 1, 1)
    assert (second["notifications"], second["deliveries"]) == (2, 1)
    assert lab.statuses([sent, bounced, retrying, later]) == {
        sent: "sent",
        bounced: "failed",
        retrying: "suppressed",
        later: "cancelled",
    }
    proof = lab.system.call("GET", "/reconcile")
    assert (proof["accepted"], proof["unaccounted"]) == (accepted, 0)
