"""A large table is as fast as a small one: no statement scans it, counts are stored, old rows are deleted in small steps."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api_gateway.repositories import (
    accepting,
    held_rows,
    holds,
    housekeeping,
    identities,
    lost,
    outbox,
    progress,
    reading,
)
from api_gateway.repositories.held_rows import EndedHold, ToHold
from api_gateway.repositories.outbox import Ended, LeasedRound, QueuedMark, ResolvedRow, Round
from api_gateway.repositories.progress import RetryFilter
from api_gateway.repositories.reading import ListFilter, Visibility
from api_gateway.services.housekeeping import Housekeeping
from api_gateway.services.reading import total_of
from api_gateway.settings import ALEMBIC
from chassis.postgres.database import Database
from chassis.postgres.retention import RetentionStep
from chassis.security.data_keys import DataKeys
from contracts.messages import StatusEvent, first_id_of
from contracts.status import Status
from testkit.plans import planned, read_whole, recorded

NOW = datetime(2026, 6, 1, tzinfo=UTC)
USER = UUID(int=3)
# One a second, the newest at NOW, ids as ours. Of a thousand 1 waits, 1 is queued, 8 failed; a few push among them.
FILL = text("""
WITH made AS (
    SELECT n, (lpad(to_hex(CAST(:newest AS bigint) - n * 1000), 12, '0') || '7' || substr(md5(n::text), 1, 19))::uuid AS id
    FROM generate_series(0, :rows - 1) n
), notified AS (
    INSERT INTO notifications (id, caller, request_id, correlation_id, notification_type, user_id, template_code, variables,
        metadata, priority, status, created_at, due_at, queued_at, claimed_at, sent_at,
        updated_at)
    SELECT id, 'c', n::text, 'c', CASE WHEN n % 50 = 0 THEN 'push' ELSE 'email' END,
        lpad(to_hex(n % 500), 32, '0')::uuid, 't' || n % 20, '{}', '{}', 1 + n % 10,
        CASE WHEN n % 1000 = 1 THEN 'pending' WHEN n % 1000 = 2 THEN 'queued' WHEN n % 125 = 3 THEN 'failed' ELSE 'sent' END,
        to_timestamp((CAST(:newest AS bigint) - n * 1000) / 1000.0),
        CASE WHEN n % 1000 = 1 THEN now() + interval '1 hour' END, now(), CASE WHEN n % 2000 = 2 THEN now() END, now(),
        to_timestamp((CAST(:newest AS bigint) - n * 1000) / 1000.0)
    FROM made RETURNING id, request_id
)
INSERT INTO idempotency_keys (caller, key, notification_id, body_hash, status)
SELECT 'c', request_id, id, 'h', 'pending' FROM notified
""")
ROWS = 100_000
NO_ID = UUID(int=0)


@pytest.fixture
async def database(databases) -> AsyncIterator[Database]:
    made = Database(await databases(ALEMBIC))
    yield made
    await made.close()


async def _fill(database: Database, rows: int) -> None:
    async with database.begin() as connection:
        await connection.execute(FILL, {"newest": int(NOW.timestamp() * 1000), "rows": rows})
        await connection.execute(
            text("INSERT INTO accepted_totals SELECT notification_type, 'w', count(*) FROM notifications GROUP BY 1")
        )


@pytest.fixture
async def large(database: Database) -> Database:
    await _fill(database, ROWS)
    async with database.autocommit() as connection:
        await connection.execute(text("VACUUM ANALYZE"))
    return database


def _id(second: int) -> UUID:
    return first_id_of(NOW - timedelta(seconds=second))


IDS = [_id(second) for second in range(20)]


async def _rows_by_key(connection: AsyncConnection) -> None:
    found = ResolvedRow(Round(IDS[0]), {}, 1, "en")
    sent = StatusEvent(notification_id=IDS[0], notification_type="email", status="sent", at=NOW)
    rounds = [Round(one) for one in IDS]
    await outbox.mark_queued(connection, [QueuedMark(one, NOW) for one in rounds])
    leased = [LeasedRound(one, NOW) for one in rounds]
    await outbox.end_leases(connection, leased, owner="p", lease_seconds=30, delay_seconds=1)
    await outbox.set_resolved(connection, [found], data_keys=DataKeys())
    await progress.apply_events(connection, [sent], data_keys=DataKeys())
    await held_rows.hold(connection, [ToHold(one, NO_ID) for one in leased], owner="p", lease_seconds=30)
    await held_rows.hand_back(connection, [sent.model_copy(update={"status": "held", "hold_id": NO_ID})])
    await accepting.find_idempotency_keys(
        connection, [("c", str(number)) for number in range(20)], data_keys=DataKeys()
    )


async def _holds(connection: AsyncConnection) -> None:
    ended = EndedHold(NO_ID, cancelled=False, renewed=True, template_version=None)
    await held_rows.ended(connection)
    await held_rows.release(connection, ended, limit=500)
    await held_rows.cancel(connection, ended, limit=500)
    await held_rows.counts(connection)
    await held_rows.counts(connection, [NO_ID])
    await progress.held_candidates(connection, NO_ID, template_version=None, limit=1_000, data_keys=DataKeys())
    await holds.forget(connection)


async def _hot_path(connection: AsyncConnection) -> None:
    await _rows_by_key(connection)
    await _holds(connection)
    await outbox.take_due(connection, owner="p", lease_seconds=30, limit=200, data_keys=DataKeys())
    await outbox.finish(connection, [Ended(Round(IDS[0]), Status.FAILED, "c")], data_keys=DataKeys())
    await lost.redrive_lost(connection, "email", dict.fromkeys(range(1, 11)), grace_seconds=60, limit=100)
    page = await lost.find_stalled(connection, "email", after=None, silence_seconds=-1, limit=10)
    await lost.find_stalled(connection, "email", after=page[-1], silence_seconds=15, limit=100)
    await lost.make_due(connection, IDS)
    await progress.cancel(connection, IDS[0])
    await progress.retry_ended(connection, RetryFilter(ids=IDS))
    await progress.retry_ended(connection, RetryFilter(channel="email", code="exhausted"))
    await progress.candidates(connection, RetryFilter(channel="email", code="exhausted"), data_keys=DataKeys())
    await housekeeping.oldest(connection, window_seconds=35)
    await housekeeping.totals(connection)
    await housekeeping.accepted(connection)
    await housekeeping.fold(connection)
    await housekeeping.sent_between(connection, "email", _id(3600), _id(0))
    await housekeeping.remove(connection, RetentionStep(NO_ID, NOW - timedelta(seconds=ROWS - 1000), 100))
    for visibility in (Visibility(), Visibility(user_id=USER), Visibility(caller="c")):
        await reading.find(connection, IDS[0], seen_by=visibility)
        await reading.ids_named(connection, "7", IDS[1], seen_by=visibility)
        await reading.ids_named(connection, "7", None, seen_by=visibility)
    await reading.callers(connection, limit=2_000)


LISTS = {
    "all": ListFilter(),
    "application": ListFilter(caller="c"),
    "application that sent nothing": ListFilter(caller="none"),
    "application and status": ListFilter(caller="c", status="failed"),
    "user": ListFilter(user_id=USER),
    "status": ListFilter(status="sent"),
    "rare status": ListFilter(status="unknown"),
    "channel": ListFilter(notification_type="push"),
    "template": ListFilter(template_code="t7"),
    "unknown template": ListFilter(template_code="none"),
    "request": ListFilter(request_id="77"),
    "after": ListFilter(created_after=NOW - timedelta(hours=1)),
    "before": ListFilter(created_before=NOW - timedelta(hours=27)),
    "dead letters of a channel": ListFilter(status="failed", notification_type="push"),
    "user and status": ListFilter(user_id=USER, status="failed"),
    "held": ListFilter(held_by=NO_ID),
    "recipients": ListFilter(recipients=(USER, NO_ID, *(UUID(int=number) for number in range(1_000, 3_000)))),
    "recipients of an application": ListFilter(recipients=(USER, UUID(int=4)), caller="c", status="failed"),
    "no recipient": ListFilter(recipients=()),
    "cursor": ListFilter(cursor=first_id_of(NOW - timedelta(hours=2))),
}


async def test_nothing_reads_a_large_table_whole(large: Database) -> None:
    async with large.begin() as connection:
        with recorded(connection) as statements:
            await _hot_path(connection)
            for wanted in LISTS.values():
                await reading.page(connection, wanted, limit=20, offset=0)
                await reading.count(connection, wanted)
                await reading.count_before(connection, replace(wanted, cursor=IDS[10]))
        for statement in statements:
            assert not await read_whole(connection, [statement]) & {"notifications", "idempotency_keys"}, statement[0]


async def test_the_failures_of_a_channel_before_a_page_are_counted_in_the_index_alone(large: Database) -> None:
    wanted = replace(LISTS["dead letters of a channel"], cursor=_id(ROWS // 2))
    async with large.begin() as connection:
        with recorded(connection) as statements:
            await reading.count_before(connection, wanted)
        [scan] = [node for node in await planned(connection, statements) if "Index Name" in node]
    assert (scan["Node Type"], scan["Index Name"]) == ("Index Only Scan", "ix_notifications_status_id_channel")


async def test_what_touches_rows_by_key_goes_by_the_index_while_the_table_is_young(database: Database) -> None:
    """A prepared statement keeps its plan until the table is analysed: by then a burst may have made it a large one."""
    await _fill(database, 300)
    async with database.begin() as connection:
        with recorded(connection) as statements:
            await _rows_by_key(connection)
        for statement in statements:
            assert not await read_whole(connection, [statement]) & {"notifications", "idempotency_keys"}, statement[0]


async def test_the_check_finds_statements_that_scan_a_table(large: Database) -> None:
    async with large.begin() as connection:
        with recorded(connection) as statements:
            await housekeeping.recount(connection)
            await connection.execute(text("SELECT * FROM notifications WHERE detail = :detail"), {"detail": "x"})
        assert [await read_whole(connection, [one]) for one in statements][1] == {"notifications"}


async def test_running_totals_are_what_counting_finds(database: Database) -> None:
    await _fill(database, 1_000)
    async with database.begin() as connection:
        await connection.execute(text("UPDATE notifications SET status = 'delivered' WHERE status = 'sent'"))
        await connection.execute(
            text("DELETE FROM notifications WHERE status = 'failed' AND notification_type = 'push'")
        )
        await connection.execute(text("UPDATE notifications SET detail = 'x'"))
    for _ in range(2):
        async with database.snapshot() as connection:
            counted, recounted = await housekeeping.totals(connection), await housekeeping.recount(connection)
        assert {key: number for key, number in counted.items() if number} == recounted
        await Housekeeping(database, retention_days=None).fold()
    async with database.begin() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM status_changes"))).scalar_one() == 0


async def test_the_total_of_a_list_by_status_or_channel_is_what_counting_finds(database: Database) -> None:
    await _fill(database, 1_000)
    async with database.snapshot() as connection:
        for wanted in LISTS.values():
            assert await total_of(connection, wanted) == await reading.count(connection, wanted), wanted
            person = wanted.user_id or wanted.recipients is not None
            if wanted.caller or person or wanted.template_code or wanted.request_id or wanted.held_by:
                assert not wanted.by_status_alone
        assert LISTS["dead letters of a channel"].by_status_alone


async def test_an_old_ended_notification_is_removed_with_its_key_and_stays_accounted_for(database: Database) -> None:
    await _fill(database, 3_000)  # of 50 minutes
    async with database.begin() as connection:
        step = RetentionStep(NO_ID, NOW - timedelta(seconds=1_000), 10_000)
        removed, reached = await housekeeping.remove(connection, step)
    assert reached is None
    async with database.snapshot() as connection:
        left = (await connection.execute(text("SELECT request_id::int, status FROM notifications"))).all()
        keys = {int(row.key) for row in await connection.execute(text("SELECT key FROM idempotency_keys"))}
        accepted, counted = await housekeeping.accepted(connection), await housekeeping.totals(connection)
    young = {number for number, _ in left if number <= 1_000}
    kept = {(number, status) for number, status in left if number > 1_000}
    assert young == set(range(1_001))
    assert kept == {(1_001, "pending"), (1_002, "queued"), (2_001, "pending"), (2_002, "queued")}
    assert removed == 3_000 - len(left)
    assert keys == {number for number, _ in left}
    assert sum(accepted.values()) == sum(counted.values()) == len(left)


async def test_retention_counts_from_the_end_of_a_notification(database: Database) -> None:
    """It was scheduled for later than RETENTION_DAYS: its key still has to answer repeats."""
    await _fill(database, 100)
    async with database.begin() as connection:
        await connection.execute(text("UPDATE notifications SET updated_at = now() WHERE request_id = '50'"))
    await Housekeeping(database, retention_days=(datetime.now(UTC) - NOW).days - 1).remove_old()
    async with database.begin() as connection:
        left = (await connection.execute(text("SELECT request_id FROM notifications WHERE status = 'sent'"))).scalars()
        assert list(left) == ["50"]
        assert "50" in (await connection.execute(text("SELECT key FROM idempotency_keys"))).scalars()


async def test_a_gateway_removes_what_is_older_than_it_has_to_keep(database: Database) -> None:
    await _fill(database, 100)  # months old by now, or yet to come: both sides of the bound are tried
    days = (datetime.now(UTC) - NOW).days
    async with database.begin() as connection:
        before = await housekeeping.recount(connection)
    await Housekeeping(database, retention_days=days + 30).remove_old()
    await Housekeeping(database, retention_days=None).remove_old()
    async with database.begin() as connection:
        assert await housekeeping.recount(connection) == before
    await Housekeeping(database, retention_days=days - 1).remove_old()
    async with database.begin() as connection:
        assert {status for _, status in await housekeeping.recount(connection)} <= {"pending", "queued"}


async def test_stored_answers_about_unused_keys_are_deleted(database: Database) -> None:
    async with database.begin() as connection:
        for key, days in (("used", 5), ("unused", 15)):
            await identities.remember(connection, key, "{}")
            await connection.execute(
                text(
                    "UPDATE known_identities SET confirmed_at = now() - make_interval(days => :days) WHERE key = :key"
                ),
                {"days": days, "key": key},
            )
    for days, left in ((None, {"used", "unused"}), (20, {"used", "unused"}), (10, {"used"})):
        await Housekeeping(database, retention_days=days).forget_unused_keys()
        async with database.begin() as connection:
            assert set((await connection.execute(text("SELECT key FROM known_identities"))).scalars()) == left
