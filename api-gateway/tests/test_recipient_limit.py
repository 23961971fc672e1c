"""The limit of notifications that one person gets per hour, over all callers and routes."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from fakeredis import FakeAsyncRedis, FakeServer

from api_gateway.services.limits import COUNTED_HERE, WIDE, RecipientLimit
from chassis.postgres.database import DatabaseUnavailable
from testkit.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def _send(gateway, user, **changes: object) -> int:
    return (await gateway.send(user_id=str(user.id), **changes)).status_code


async def test_one_person_is_sent_so_much_and_others_are_not_kept_waiting(start) -> None:
    gateway = await start(recipient_limit_per_hour=13)
    person, other = gateway.peers.add_user(), gateway.peers.add_user()
    gateway.peers.add_template()
    first = await gateway.send(user_id=str(person.id), request_id="first")
    assert [await _send(gateway, person, headers=gateway.token(uuid4())) for _ in range(12)] == [202] * 12
    refused = await gateway.send(user_id=str(person.id))
    assert (refused.status_code, refused.json()["error"]) == (429, "recipient_limited")
    seconds = refused.headers["Retry-After"]
    assert 0 < int(seconds) <= 3_600
    assert f"in {seconds} s" in refused.json()["message"]
    assert [await _send(gateway, person, priority=8), await _send(gateway, other)] == [202, 202]
    again = await gateway.send(user_id=str(person.id), request_id="first")
    assert again.json()["data"] == first.json()["data"]
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_items_of_a_batch_count_one_by_one(start) -> None:
    gateway = await start(recipient_limit_per_hour=12)
    person, other = gateway.peers.add_user(), gateway.peers.add_user()
    gateway.peers.add_template()
    item = {"notification_type": "email", "template_code": "welcome", "variables": {"name": "Ada"}}
    items = [{**item, "user_id": str(person.id)}] * 15 + [{**item, "user_id": str(other.id)}]
    body = {"notifications": items}
    answer = await gateway.http.post("/api/v1/notifications/batch", json=body, headers=gateway.token())
    outcomes = [one["error"] for one in answer.json()["data"]["results"]]
    assert outcomes == [None] * 12 + ["recipient_limited"] * 3 + [None]


async def test_refused_notifications_do_not_count(start) -> None:
    gateway = await start(recipient_limit_per_hour=5)
    person = gateway.peers.add_user()
    gateway.peers.add_template()
    assert [await _send(gateway, person, template_code="no-such") for _ in range(9)] == [404] * 9
    assert [await _send(gateway, person) for _ in range(6)] == [202] * 5 + [429]


async def test_processes_count_together_what_is_beyond_the_first_few_of_each(clock) -> None:
    redis, person = FakeAsyncRedis(server=FakeServer()), uuid4()
    limit = WIDE
    processes = [RecipientLimit(redis, limit=limit, clock=clock) for _ in range(3)]

    async def allowed(one: RecipientLimit, who: UUID = person) -> bool:
        return (await one.check([who]))[0] is None

    outcomes = [await allowed(processes[number % 3]) for number in range(120)]
    assert sum(outcomes) == 3 * COUNTED_HERE + (WIDE - COUNTED_HERE)
    assert await allowed(processes[0], uuid4())


async def test_checks_that_come_together_are_counted_one_by_one(clock) -> None:
    redis, person = FakeAsyncRedis(server=FakeServer()), uuid4()
    limited = RecipientLimit(redis, limit=WIDE, clock=clock)
    checked = await asyncio.gather(*(limited.check([person]) for _ in range(2 * WIDE)))
    assert sum(refusal is None for [refusal] in checked) == WIDE


async def test_a_narrow_limit_is_one_for_all_processes() -> None:
    redis, person = FakeAsyncRedis(server=FakeServer()), uuid4()
    processes = [RecipientLimit(redis, limit=6) for _ in range(4)]
    checked = [(await processes[number % 4].check([person]))[0] for number in range(24)]
    assert sum(refusal is None for refusal in checked) == 6


@pytest.mark.parametrize("limit", [6, WIDE])
async def test_units_that_were_given_back_can_be_used_again(limit: int) -> None:
    limited, person = RecipientLimit(FakeAsyncRedis(), limit=limit), uuid4()
    checked = await limited.check([person] * (limit + 1))
    assert [refusal is None for refusal in checked] == [True] * limit + [False]
    await limited.give_back([person] * 2)
    assert [refusal is None for refusal in await limited.check([person] * 3)] == [True, True, False]


async def test_repeats_and_what_could_not_be_written_do_not_count(start, monkeypatch) -> None:
    gateway = await start(recipient_limit_per_hour=3)
    person = gateway.peers.add_user()
    gateway.peers.add_template()
    assert [await _send(gateway, person, request_id="same") for _ in range(9)] == [202] * 9

    async def away(*_arguments: object, **_options: object) -> None:
        raise DatabaseUnavailable

    with monkeypatch.context() as broken:
        broken.setattr("api_gateway.services.store.accepting.accept", away)
        assert [await _send(gateway, person) for _ in range(5)] == [503] * 5
    later = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    assert [await _send(gateway, person, expires_at=later) for _ in range(5)] == [422] * 5
    assert [await _send(gateway, person) for _ in range(3)] == [202, 202, 429]
