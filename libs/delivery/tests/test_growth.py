"""A large ledger is as quick as a small one, and what is old goes in small steps."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from chassis.postgres import retention
from chassis.postgres.retention import RetentionStep
from contracts.messages import first_id_of
from delivery.ledger import Claim, DeliveryRecord, LedgerRepository
from delivery.sweeping import EXTRA_DAYS, ledger_retention
from testkit.plans import read_whole, recorded

NOW = datetime(2026, 6, 1, tzinfo=UTC)
# One a second, the newest at NOW; of a thousand one waits for its retry, one is in a dead worker's hands.
FILL = text("""
INSERT INTO email_deliveries (notification_id, recipient, state, owner, priority, next_attempt_at, message, updated_at)
SELECT (lpad(to_hex(CAST(:newest AS bigint) - n * 1000), 12, '0') || '7' || substr(md5(n::text), 1, 19))::uuid, 'r',
    CASE WHEN n % 1000 = 1 THEN 'retry' WHEN n % 1000 = 2 THEN 'sending' ELSE 'sent' END, 'w' || n % 3, 5,
    CASE WHEN n % 1000 = 1 THEN now() END, '{}', to_timestamp(CAST(:newest AS bigint) / 1000.0 - n)
FROM generate_series(0, :rows - 1) n
""")
ROWS = 100_000


async def _fill(database, rows: int) -> None:
    async with database.begin() as connection:
        await connection.execute(FILL, {"newest": int(NOW.timestamp() * 1000), "rows": rows})
        await connection.execute(text("CREATE TABLE dead_addresses (fingerprint text PRIMARY KEY)"))
        await connection.execute(DEAD, {"rows": rows})


def _id(second: int) -> UUID:
    return first_id_of(NOW - timedelta(seconds=second))


@pytest.fixture
async def large(database):
    await _fill(database, ROWS)
    async with database.autocommit() as connection:
        await connection.execute(text("VACUUM ANALYZE"))
    return database


NO_ID = UUID(int=0)
LEDGER = LedgerRepository("email", "w1", suppression_list="dead_addresses")
DEAD = text("INSERT INTO dead_addresses SELECT n::text FROM generate_series(1, :rows) n")
KEYS = [(_id(second), "r") for second in range(20)]


async def _rows_by_key(connection) -> None:
    await LEDGER.claim(connection, [Claim(*key, 0, 5, "{}", None, fingerprint="1") for key in KEYS])
    await LEDGER.record(connection, [DeliveryRecord(*key, state="sent", attempts=1) for key in KEYS])
    await LEDGER.mark_handed_over(connection, [key[0] for key in KEYS])


async def test_no_statement_reads_a_large_ledger_completely(large) -> None:
    first = KEYS[0][0]
    async with large.begin() as connection:
        with recorded(connection) as statements:
            await _rows_by_key(connection)
            await LEDGER.take_due(connection, lease_seconds=300, limit=100)
            await LEDGER.take_orphans(connection, lease_seconds=300, silence_seconds=15, limit=100)
            await LEDGER.requeue_abandoned(connection, await LEDGER.owned(connection, silence_seconds=15))
            await LEDGER.redrive_lost(connection, {5: None}, grace_seconds=60, limit=100)
            await LEDGER.states(connection, [first])
            await LEDGER.has(connection, first, 0)
            await LEDGER.totals(connection, _id(3600), _id(0))
            await LEDGER.remove(
                connection, RetentionStep(after=NO_ID, ended_before=NOW - timedelta(seconds=ROWS - 1000), limit=100)
            )
        for statement in statements:
            assert not await read_whole(connection, [statement]) & {"email_deliveries", "dead_addresses"}, statement[0]


async def test_statements_by_key_use_the_index_while_the_ledger_is_young(database) -> None:
    """A prepared statement keeps its plan until the table is analysed: by then a burst may have made it a large one."""
    await _fill(database, 300)
    async with database.begin() as connection:
        with recorded(connection) as statements:
            await _rows_by_key(connection)
        for statement in statements:
            assert not await read_whole(connection, [statement]) & {"email_deliveries", "dead_addresses"}, statement[0]


async def test_ends_are_kept_a_day_longer_than_the_gateway_keeps_its_own(database, ledger_of) -> None:
    await _fill(database, 5)
    days = (datetime.now(UTC) - NOW).days  # more than that and less than a day more have gone by
    ledger = ledger_of("w1")

    async def states() -> list[str]:
        async with database.begin() as connection:
            return sorted((await connection.execute(text("SELECT state FROM email_deliveries"))).scalars())

    before = await states()
    for kept in (None, days, days + 30):
        await ledger_retention(ledger, retention_days=kept).run_once()
    assert await states() == before
    assert EXTRA_DAYS >= 1
    await ledger_retention(ledger, retention_days=days - 2).run_once()
    assert await states() == ["retry", "sending"]


async def test_the_end_of_a_delivery_decides_how_long_it_is_kept(database, ledger_of) -> None:
    """Scheduled for later than RETENTION_DAYS, or retried for long: the ledger has to know it as long as any other."""
    await _fill(database, 6)
    async with database.begin() as connection:
        ended_today = text("UPDATE email_deliveries SET updated_at = now() WHERE notification_id = "
                           "(SELECT min(notification_id::text)::uuid FROM email_deliveries)")  # fmt: skip
        await connection.execute(ended_today)
    await ledger_retention(ledger_of("w1"), retention_days=(datetime.now(UTC) - NOW).days - 2).run_once()
    async with database.begin() as connection:
        left = (await connection.execute(text("SELECT state, updated_at > '2026-06-02' FROM email_deliveries"))).all()
    assert sorted(left) == [("retry", False), ("sending", False), ("sent", True)]


async def test_retention_goes_on_where_it_stopped_and_begins_again(database, ledger_of, monkeypatch) -> None:
    await _fill(database, 10)
    monkeypatch.setattr(retention, "MAX_ROWS", 3)
    old = ledger_retention(ledger_of("w1"), retention_days=(datetime.now(UTC) - NOW).days - 2)
    async with database.begin() as connection:
        await connection.execute(text("UPDATE email_deliveries SET updated_at = now()"))
    await old.run_once()
    async with database.begin() as connection:
        await connection.execute(text("UPDATE email_deliveries SET updated_at = '2026-06-01'"))
    count = text("SELECT count(*) FROM email_deliveries WHERE state = 'sent'")

    async def left() -> int:
        async with database.begin() as connection:
            return (await connection.execute(count)).scalar_one()

    counts = []
    for _ in range(5):
        await old.run_once()
        counts.append(await left())
    assert counts == [5, 4, 3, 0, 0]
