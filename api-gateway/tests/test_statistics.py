"""Figures for an overview: what a count of the rows finds, in milliseconds, for each caller their own."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from alembic import command
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api_gateway.repositories import statistics
from api_gateway.repositories.statistics import PERIODS, Selection
from api_gateway.services.statistics import latency_of
from api_gateway.settings import ALEMBIC
from chassis.postgres.database import Database
from chassis.postgres.migrations import alembic_config
from chassis.security import hash_api_key, new_api_key
from contracts.callers import ApiKeyInfo
from testkit.eventually import eventually
from testkit.plans import read_whole, recorded

ROWS = 100_000
# One every six seconds back from now, so those of about seven days; by twenty callers; one in ten by push.
FILL = text("""
INSERT INTO notifications (id, caller, request_id, correlation_id, notification_type, user_id, template_code, variables,
    metadata, priority, status, created_at, due_at, queued_at)
SELECT gen_random_uuid(), 'key:' || n % 20, n::text, 'c', CASE WHEN n % 10 = 0 THEN 'push' ELSE 'email' END,
    gen_random_uuid(), 't', '{}', '{}', 5, 'queued', now() - make_interval(secs => 6 * n), NULL, now()
FROM generate_series(0, :rows - 1) n
""")
CHANGES = (
    "UPDATE notifications SET status = 'sent', sent_at = created_at + interval '0.3 s' WHERE request_id::int % 100 < 98",
    "UPDATE notifications SET status = 'delivered' WHERE request_id::int % 100 < 50",
    "UPDATE notifications SET status = 'failed' WHERE request_id::int % 100 = 51",
    "UPDATE notifications SET detail = 'x' WHERE request_id::int % 100 = 52",
)
COUNTED = text("""
SELECT date_bin(CAST(:step AS interval), created_at, CAST('epoch' AS timestamptz)) AS at, status, count(*) AS number
FROM notifications
WHERE created_at >= :since AND (CAST(:callers AS text[]) IS NULL OR caller = ANY(CAST(:callers AS text[])))
  AND (CAST(:channel AS text) IS NULL OR notification_type = :channel)
GROUP BY 1, 2
""")
SELECTIONS = {
    "all": Selection(),
    "caller": Selection(["key:7"]),
    "callers": Selection(["key:7", "test:7", "key:8"]),
    "channel": Selection(channel="push"),
    "caller and channel": Selection(["key:10"], "push"),
    "nobody": Selection(["key:nobody"]),
}
ADDED = ("accepted", "held")


@pytest.fixture
async def database(databases) -> AsyncIterator[Database]:
    made = Database(await databases(ALEMBIC))
    yield made
    await made.close()


async def _run(database: Database, *statements: str) -> None:
    async with database.begin() as connection:
        for one in statements:
            await connection.execute(text(one))


async def _fill(database: Database, rows: int) -> None:
    async with database.begin() as connection:
        await connection.execute(FILL, {"rows": rows})


async def _fold(database: Database) -> None:
    async with database.begin() as connection:
        await statistics.fold(connection)


async def _agrees(connection: AsyncConnection, period: statistics.PeriodName, wanted: Selection) -> int:
    """Compares with the rows. Returns how many were accepted."""
    found = await statistics.read(connection, period, wanted)
    parameters = {
        "step": PERIODS[period].step,
        "since": found.since,
        "callers": wanted.callers,
        "channel": wanted.channel,
    }
    expected: dict[datetime, dict[str, int]] = {}
    for at, status, number in await connection.execute(COUNTED, parameters):
        expected.setdefault(at, {})[status] = number
    statuses = {
        at: {name: number for name, number in numbers.items() if number and name not in ADDED and ":" not in name}
        for at, numbers in found.numbers.items()
    }
    assert statuses == expected
    assert {at: numbers["accepted"] for at, numbers in found.numbers.items()} == {
        at: sum(numbers.values()) for at, numbers in expected.items()
    }
    return sum(numbers["accepted"] for numbers in found.numbers.values())


@pytest.mark.parametrize("folded", ["before the changes", "after them", "never", "each time"])
async def test_the_figures_are_what_a_count_of_the_rows_finds(database: Database, folded: str) -> None:
    await _fill(database, 4_000)
    if folded in {"before the changes", "each time"}:
        await _fold(database)
    for change in CHANGES:
        await _run(database, change)
        if folded == "each time":
            await _fold(database)
    if folded == "after them":
        await _fold(database)
    async with database.snapshot() as connection:
        for period in PERIODS:
            for wanted in SELECTIONS.values():
                await _agrees(connection, period, wanted)


async def test_many_that_change_at_once_and_fold_meanwhile_lose_no_figure(database: Database) -> None:
    await _fill(database, 3_000)

    async def change(part: int) -> None:
        for status in ("sent", "delivered"):
            moved = f"UPDATE notifications SET status = '{status}' WHERE request_id::int % 3 = {part}"
            await asyncio.gather(_run(database, moved), _fold(database))

    await asyncio.gather(*(change(part) for part in range(3)), _fold(database), _fold(database))
    async with database.snapshot() as connection:
        for period in PERIODS:
            await _agrees(connection, period, Selection())


async def test_a_change_that_is_rolled_back_is_not_counted(database: Database) -> None:
    await _fill(database, 100)
    async with database.begin() as connection:
        await connection.execute(text("UPDATE notifications SET status = 'failed'"))
        await statistics.fold(connection)
        await connection.rollback()
    async with database.snapshot() as connection:
        await _agrees(connection, "day", Selection())


async def test_what_is_removed_after_its_retention_stays_in_the_figures(database: Database) -> None:
    await _fill(database, 100)
    await _run(database, "DELETE FROM notifications")
    async with database.begin() as connection:
        found = await statistics.read(connection, "day", Selection())
    assert sum(numbers["queued"] for numbers in found.numbers.values()) == 100


async def test_figures_that_no_period_shows_any_more_are_removed_and_not_written_again(database: Database) -> None:
    await _fill(database, 100)
    await _fold(database)
    await _run(database, "UPDATE statistics SET at = at - interval '30 days'")
    await _run(database, "UPDATE notifications SET created_at = created_at - interval '9 days', status = 'sent'")
    await _fold(database)
    async with database.begin() as connection:
        await statistics.remove_old(connection)
        left = await connection.scalar(text("SELECT count(*) FROM statistics WHERE at < now() - interval '8 days'"))
        lines = await connection.scalar(text("SELECT count(*) FROM statistics_changes"))
    assert (left, lines) == (0, 0)


@pytest.fixture
async def large(database: Database) -> Database:
    await _fill(database, ROWS)
    for change in CHANGES:
        await _run(database, change)
    await _run(
        database,
        "UPDATE notifications SET status = 'pending', due_at = now() WHERE request_id::int % 103 = 50",
        "UPDATE notifications SET status = 'pending', due_at = now() + interval '1 day', send_at = now() + interval '1 day' "
        "WHERE request_id::int % 103 = 51",
    )
    await _fold(database)
    async with database.autocommit() as connection:
        await connection.execute(text("VACUUM ANALYZE"))
    return database


async def test_a_large_table_is_not_read(large: Database) -> None:
    """Neither by an answer nor by the tasks; and an answer takes milliseconds."""
    async with large.begin() as connection:
        for name, wanted in SELECTIONS.items():
            with recorded(connection) as statements:
                began = time.perf_counter()
                for period in PERIODS:
                    await statistics.read(connection, period, wanted)
                found = await statistics.oldest(connection, wanted, window_seconds=35)
                took = time.perf_counter() - began
            assert took < 0.6, (name, took)  # of four statements, at the pace of a busy machine
            assert (found is None) == (name == "nobody")
            for statement in statements:
                assert not await read_whole(connection, [statement]) & {"notifications", "statistics"}, statement[0]
        with recorded(connection) as statements:
            await statistics.fold(connection)
            await statistics.remove_old(connection)
        for statement in statements:
            assert not await read_whole(connection, [statement]) & {"notifications", "statistics"}, statement[0]
        assert await _agrees(connection, "week", Selection()) > ROWS * 0.9


async def test_an_upgrade_counts_from_then_on_and_says_so(databases) -> None:
    """Gateways of the previous release accept on: what they change of older notifications is not half counted."""
    url = await databases(ALEMBIC)
    config = alembic_config(ALEMBIC, url)
    database = Database(url)
    await asyncio.to_thread(command.downgrade, config, "0017")
    await _fill(database, 100)
    await asyncio.to_thread(command.upgrade, config, "0018")
    await _run(database, "UPDATE notifications SET status = 'sent'")
    insert = str(FILL).replace(":rows - 1", "0").replace("'key:' || n % 20", "'new'")
    await _run(database, insert, "UPDATE notifications SET status = 'failed' WHERE caller = 'new'")
    async with database.begin() as connection:
        found = await statistics.read(connection, "hour", Selection())
    await database.close()
    [numbers] = found.numbers.values()
    assert {name: number for name, number in numbers.items() if number} == {"accepted": 1, "failed": 1}
    assert found.began is not None
    assert found.since < found.began <= found.until


@pytest.mark.parametrize(
    ("took", "p50", "p95"),
    [({}, None, None), ({"took:0": 1}, 0.894, 0.894), ({"took:-5": 90, "took:10": 10}, 0.293, 8.33),
     ({"took:3": 0, "took:2": 4, "accepted": 9}, 1.4, 1.4)],
)  # fmt: skip
def test_latencies_are_read_from_the_bounds(took: dict[str, int], p50: float | None, p95: float | None) -> None:
    found = latency_of(took)
    assert (found.p50, found.p95) == (p50, p95)


def _key(gateway, application: UUID, **more: object) -> dict[str, str]:
    key = new_api_key()
    scopes = ("notifications:read", "notifications:write")
    info = ApiKeyInfo(id=uuid4(), user_id=uuid4(), scopes=scopes, application_id=application, **more)
    gateway.peers.api_keys[hash_api_key(key)] = info
    return {"X-API-Key": key}


async def _sent(gateway, **changes: object) -> str:
    gateway.peers.add_template()
    answered = await gateway.send(user_id=str(gateway.peers.add_user().id), **changes)
    assert answered.status_code == 202, answered.text
    return answered.json()["data"]["notification_id"]


async def _asked(gateway, headers: dict[str, str] | None = None, **query: object) -> dict:
    answered = await gateway.http.get("/api/v1/statistics", headers=headers or gateway.token(), params=query)
    assert answered.status_code == 200, answered.text
    return answered.json()["data"]


async def test_the_figures_follow_a_notification_to_its_end_and_nothing_is_missing(gateway) -> None:
    empty = await _asked(gateway)
    assert (empty["balance"]["accepted"], empty["oldest_waiting"], empty["latency"]["p50"]) == (0, None, None)
    names = [await _sent(gateway) for _ in range(3)]
    for name in names:
        await gateway.until(name, "queued")
    waiting = await _asked(gateway)
    assert waiting["oldest_waiting"]["notification_id"] == names[0]
    assert waiting["oldest_waiting"]["seconds"] >= 0
    assert waiting["balance"] == {"accepted": 3, "final": 0, "in_work": 3, "difference": 0}
    await gateway.report(names[0], "sent")
    await gateway.report(names[1], "failed", code="bounced")
    await gateway.until(names[0], "sent")
    await gateway.until(names[1], "failed")
    for period in PERIODS:
        found = await _asked(gateway, period=period)
        assert found["balance"] == {"accepted": 3, "final": 2, "in_work": 1, "difference": 0}
        assert {name: number for name, number in found["by_status"].items() if number} == {
            "queued": 1,
            "sent": 1,
            "failed": 1,
        }
        assert 0 < found["latency"]["p50"] <= found["latency"]["p95"] < 60
        assert len(found["steps"]) == PERIODS[period].steps
        assert sum(step["sent"] for step in found["steps"]) == 1
        assert found["steps"][-1]["at"] <= found["until"]
        assert found["counted_since"] is None
    assert (await _asked(gateway, notification_type="push"))["balance"]["accepted"] == 0


async def test_what_is_held_or_scheduled_is_in_work_and_not_the_oldest(gateway) -> None:
    await gateway.http.post("/api/v1/holds", json={"template_code": "welcome", "reason": "x"}, headers=gateway.token())
    soon = (datetime.now(UTC) + timedelta(seconds=25)).isoformat()  # a held row is due when it expires
    held = await _sent(gateway, expires_at=soon)
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    await _sent(gateway, send_at=later)

    async def is_held() -> bool:
        return bool((await gateway.detail(held))["held_by"])

    await eventually(is_held, 10)
    found = await _asked(gateway)
    assert (found["held"], found["balance"]["in_work"], found["oldest_waiting"]) == (1, 2, None)


async def test_a_retry_by_hand_moves_the_notification_back_and_counts_no_time(gateway) -> None:
    name = await _sent(gateway)
    await gateway.until(name, "queued")
    await gateway.report(name, "sent")
    await gateway.until(name, "sent")
    await gateway.callback(name, "failed", code="bounced")
    await gateway.http.post(f"/api/v1/notifications/{name}/retry", headers=gateway.token())
    await gateway.until(name, "queued")
    found = await _asked(gateway)
    assert found["balance"] == {"accepted": 1, "final": 0, "in_work": 1, "difference": 0}
    await gateway.report(name, "sent", replay=1)
    await gateway.until(name, "sent")
    found = await _asked(gateway)
    assert (found["balance"]["final"], found["latency"]["p50"]) == (1, None)


async def test_an_application_gets_its_own_figures_and_nobody_elses(gateway) -> None:
    ours, theirs = uuid4(), uuid4()
    live, test, other = _key(gateway, ours), _key(gateway, ours, test=True), _key(gateway, theirs)
    names = [await _sent(gateway, headers=headers) for headers in (live, live, test, other)]
    for headers, number, oldest in ((live, 2, names[0]), (test, 1, names[2]), (other, 1, names[3])):
        found = await _asked(gateway, headers)
        assert found["balance"]["accepted"] == number
        assert found["oldest_waiting"]["notification_id"] == oldest
    assert (await _asked(gateway))["balance"]["accepted"] == 4
    assert (await _asked(gateway, application_id=ours))["balance"]["accepted"] == 3
    assert (await _asked(gateway, live, application_id=ours))["balance"]["accepted"] == 2
    refused = await gateway.http.get("/api/v1/statistics", headers=live, params={"application_id": str(theirs)})
    assert refused.status_code == 403


@pytest.mark.parametrize(
    "query", [{"period": "year"}, {"notification_type": "fax"}, {"application_id": "x"}, {"hours": 1}]
)
async def test_a_query_that_makes_no_sense_is_refused(gateway, query: dict) -> None:
    answered = await gateway.http.get("/api/v1/statistics", headers=gateway.token(), params=query)
    assert answered.status_code == 422
    assert answered.json()["data"]["errors"]
