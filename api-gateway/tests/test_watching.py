"""The figures of alerts are correct and fresh, or missing."""

import json
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from api_gateway.repositories import housekeeping
from api_gateway.services.metrics import ReadingMetrics
from api_gateway.services.reconciling import FigureWatcher, Reconciler
from api_gateway.settings import ALEMBIC
from chassis.broker import BrokerUnavailable
from chassis.postgres.database import Database, DatabaseUnavailable
from testkit.eventually import eventually

WINDOW_SECONDS = 35.0
NO_DATABASE = "postgresql+asyncpg://nobody@127.0.0.1:1/nothing"

# Ages and waits are in seconds; NULL where a row has no such time.
ROWS = text("""
WITH given AS (SELECT * FROM json_to_record(CAST(:row AS json)) AS r(
    channel text, priority int, status text, age float8, send_in float8, due_in float8, queued float8, begun float8,
    replayed float8))
INSERT INTO notifications (id, caller, request_id, correlation_id, notification_type, user_id, template_code, variables,
    metadata, priority, status, created_at, send_at, due_at, queued_at, claimed_at, history)
SELECT gen_random_uuid(), 'c', gen_random_uuid()::text, 'c', channel, gen_random_uuid(), 't', '{}', '{}', priority, status,
    now() - make_interval(secs => age), now() + make_interval(secs => send_in), now() + make_interval(secs => due_in),
    now() - make_interval(secs => queued), now() - make_interval(secs => begun),
    CASE WHEN replayed IS NULL THEN '[]' ELSE jsonb_build_array(
        jsonb_build_object('status', 'replayed', 'at', now() - make_interval(secs => replayed))) END
FROM given, generate_series(1, CAST(:times AS int))
""")
DEFAULTS = {"channel": "email", "priority": 5, "status": "pending", "age": 0}


@pytest.fixture
async def database(databases):
    database = Database(await databases(ALEMBIC))
    yield database
    await database.close()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def watch(database, registry) -> FigureWatcher:
    return FigureWatcher(Reconciler(database, {}), database, ReadingMetrics(registry), window_seconds=WINDOW_SECONDS)


async def _insert(database: Database, times: int = 1, **values: object) -> None:
    async with database.begin() as connection:
        await connection.execute(ROWS, {"row": json.dumps(DEFAULTS | values), "times": times})


async def _oldest(database: Database) -> dict[tuple[str, str], float]:
    async with database.begin() as connection:
        return await housekeeping.oldest(connection, window_seconds=WINDOW_SECONDS)


async def test_a_gateway_shows_them_as_soon_as_it_runs(start) -> None:
    gateway = await start(reconcile_interval_seconds=0.05)

    async def metrics() -> str:
        return (await gateway.http.get("/metrics")).text

    unaccounted = 'notifications_unaccounted{type="email"} 0.0'
    oldest = 'notifications_oldest_seconds{status="queued",type="push"} 0.0'
    await eventually(metrics, 10, until=lambda found: unaccounted in found)
    await eventually(metrics, 10, until=lambda found: oldest in found)
    assert 'queue_consumers{queue="status.queue"} 1.0' in await metrics()


async def test_queues_are_not_shown_while_they_cannot_be_seen(start) -> None:
    gateway = await start()

    def consumers() -> float | None:
        return gateway.app.state.metrics.get_sample_value("queue_consumers", {"queue": "status.queue"})

    async def away(_queue: str) -> None:
        raise BrokerUnavailable

    await eventually(lambda: consumers() == 1, 10)
    gateway.broker.depth = away
    await eventually(lambda: consumers() is None, 10)


async def test_an_accepted_notification_without_a_row_is_unaccounted(watch, registry, database) -> None:
    async with database.begin() as connection:
        await connection.execute(text("INSERT INTO accepted_totals VALUES ('email', 'w', 3), ('push', 'w', 1)"))
    await _insert(database, times=2)
    await _insert(database, channel="push", times=2)
    await watch.prove()
    shown = {kind: registry.get_sample_value("notifications_unaccounted", {"type": kind}) for kind in ("email", "push")}
    assert shown == {"email": 1, "push": -1}


@pytest.mark.parametrize("reading", ["unaccounted", "oldest"])
async def test_a_failed_reading_removes_its_figures_and_keeps_its_last_timestamp(registry, database, reading) -> None:
    metrics = ReadingMetrics(registry)
    name = f"notifications_{reading}" + ("_seconds" if reading == "oldest" else "")
    read, broken = (
        watch.prove if reading == "unaccounted" else watch.find_oldest
        for watch in (
            FigureWatcher(Reconciler(there, {}), there, metrics, window_seconds=WINDOW_SECONDS)
            for there in (database, Database(NO_DATABASE, connect_seconds=0.2))
        )
    )
    assert registry.get_sample_value("reading_last_success_timestamp_seconds", {"reading": reading}) == 0
    await read()
    assert _series(registry, name) > 0
    succeeded = registry.get_sample_value("reading_last_success_timestamp_seconds", {"reading": reading})
    assert succeeded == pytest.approx(datetime.now(UTC).timestamp(), abs=60)
    with pytest.raises(DatabaseUnavailable):
        await broken()
    assert _series(registry, name) == 0
    assert registry.get_sample_value("reading_last_success_timestamp_seconds", {"reading": reading}) == succeeded


def _series(registry: CollectorRegistry, name: str) -> int:
    return sum(len(family.samples) for family in registry.collect() if family.name == name)


async def test_nothing_that_waits_is_zero_seconds_old(database) -> None:
    await _insert(database, status="sent", age=1000.0)
    assert set((await _oldest(database)).values()) == {0.0}


async def test_the_oldest_pending_is_as_old_as_the_first_moment_it_could_go(database) -> None:
    await _insert(database, age=300.0, due_in=5.0)  # its look-up just failed and is repeated later
    await _insert(database, age=200.0, due_in=-1.0, priority=1)
    await _insert(database, channel="push", age=5000.0, send_in=-30.0, due_in=-30.0)  # was sent to be sent later
    ages = await _oldest(database)
    assert ages["email", "pending"] == pytest.approx(300, abs=20)
    assert ages["push", "pending"] == pytest.approx(30, abs=20)


async def test_scheduled_rows_do_not_count_as_old(database) -> None:
    await _insert(database, age=9000.0, send_in=3600.0, due_in=3600.0)
    await _insert(database, age=9000.0, send_in=10.0, due_in=10.0)  # within the window
    assert (await _oldest(database))["email", "pending"] == 0


async def test_the_oldest_is_not_hidden_behind_many_that_wait_for_their_time(database) -> None:
    await _insert(database, age=9000.0, send_in=20.0, due_in=20.0, times=1_100)
    await _insert(database, age=100.0, due_in=30.0)
    assert (await _oldest(database))["email", "pending"] == pytest.approx(100, abs=20)


async def test_a_replayed_one_waits_since_its_replay(database) -> None:
    await _insert(database, age=90_000.0, due_in=0.0, replayed=40.0)
    assert (await _oldest(database))["email", "pending"] == pytest.approx(40, abs=20)


async def test_a_channel_is_not_hidden_behind_a_backlog_of_the_other(database) -> None:
    await _insert(database, channel="push", age=500.0, due_in=-500.0, times=2500)
    await _insert(database, age=300.0, due_in=-300.0)
    assert (await _oldest(database))["email", "pending"] == pytest.approx(300, abs=20)


async def test_the_oldest_queued_is_as_old_as_its_publishing(database) -> None:
    await _insert(database, status="queued", age=900.0, queued=70.0)
    await _insert(database, status="queued", age=900.0, queued=50.0)
    ages = await _oldest(database)
    assert ages["email", "queued"] == pytest.approx(70, abs=20)
    assert ages["push", "queued"] == 0


async def test_what_a_worker_has_begun_may_wait_for_a_day(database) -> None:
    """Its provider answers "not now", perhaps for hours. That is no backlog."""
    await _insert(database, status="queued", age=9_000.0, queued=9_000.0, begun=9_000.0)
    await _insert(database, status="queued", age=900.0, queued=70.0)
    assert (await _oldest(database))["email", "queued"] == pytest.approx(70, abs=20)
    await _insert(database, status="queued", age=90_000.0, queued=90_000.0, begun=90_000.0)
    assert (await _oldest(database))["email", "queued"] == pytest.approx(90_000, abs=20)


async def test_both_ages_come_from_an_index_however_many_rows_there_are(database) -> None:
    await _insert(database, status="sent", age=10.0, times=20_000)
    await _insert(database, age=10.0, send_in=86_400.0, due_in=86_400.0, times=5_000)
    await _insert(database, status="queued", age=10.0, queued=10.0, times=2_000)
    await _insert(database, age=10.0, due_in=-5.0, times=50)
    async with database.begin() as connection:
        await connection.execute(text("ANALYZE notifications"))
        values = {"channels": ["email", "push"], "window": WINDOW_SECONDS}
        plans = [
            "\n".join((await connection.execute(text(f"EXPLAIN {query.text}"), given)).scalars())
            for query, given in (
                (housekeeping.OLDEST_PENDING, values),
                (housekeeping.OLDEST_QUEUED, {"channels": values["channels"]}),
            )
        ]
    assert "ix_notifications_due" in plans[0], plans[0]
    assert "ix_notifications_waiting" in plans[1], plans[1]
    for plan in plans:
        assert "Seq Scan" not in plan, plan
