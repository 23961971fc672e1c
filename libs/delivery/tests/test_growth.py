"""A large ledger is as quick as a small one, and what is old goes in small steps."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from contracts.lookups import first_id_of
from delivery.ledger import Claim, LedgerRepository, Recorded
from delivery.retention import LONGER, Retention
from tests.plans import read_whole, recorded

NOW = datetime(2026, 6, 1, tzinfo=UTC)
# One a second, the newest at NOW; of a thousand one waits for its retry, one is in a dead worker's hands.
FILL = text("""
INSERT INTO email_deliveries (notification_id, recipient, state, owner, priority, next_attempt_at, message)
SELECT (lpad(to_hex(CAST(:newest AS bigint) - n * 1000), 12, '0') || '7' || substr(md5(n::text), 1, 19))::uuid, 'r',
    CASE WHEN n % 1000 = 1 THEN 'retry' WHEN n % 1000 = 2 THEN 'sending' ELSE 'sent' END, 'w' || n % 3, 5,
    CASE WHEN n % 1000 = 1 THEN now() END, '{}'
FROM generate_series(0, :rows - 1) n
""")
ROWS = 100_000


async def _fill(database, rows: int) -> None:
    async with database.begin() as connection:
        await connection.execute(FILL, {"newest": int(NOW.timestamp() * 1000), "rows": rows})


def _id(second: int) -> UUID:
    return first_id_of(NOW - timedelta(seconds=second))


@pytest.fixture
async def large(database):
    await _fill(database, ROWS)
    async with database.each() as connection:
        await connection.execute(text("VACUUM ANALYZE"))
    return database


LEDGER = LedgerRepository("email", "w1")
KEYS = [(_id(second), "r") for second in range(20)]


async def _rows_by_key(connection) -> None:
    await LEDGER.claim(connection, [Claim(*key, 0, 5, "{}", None) for key in KEYS])
    await LEDGER.mark_sending(connection, KEYS)
    await LEDGER.record(connection, [Recorded(*key, state="sent", attempts=1) for key in KEYS])
    await LEDGER.handed_over(connection, [key[0] for key in KEYS], lease_seconds=300)


async def test_nothing_reads_a_large_ledger_whole(large) -> None:
    first = KEYS[0][0]
    async with large.begin() as connection:
        with recorded(connection) as statements:
            await _rows_by_key(connection)
            await LEDGER.take_due(connection, lease_seconds=300, silence_seconds=15, largest=100)
            await LEDGER.closed(connection, first)
            await LEDGER.has(connection, first, 0)
            await LEDGER.drop_others(connection, first, ["r"])
            await LEDGER.totals(connection, _id(3600), _id(0))
            await LEDGER.remove(connection, before=_id(ROWS - 1000), largest=100)
        for statement in statements:
            assert "email_deliveries" not in await read_whole(connection, [statement]), statement[0]


async def test_what_touches_rows_by_key_goes_by_the_index_while_the_ledger_is_young(database) -> None:
    """A prepared statement keeps its plan until the table is analysed: by then a burst may have made it a large one."""
    await _fill(database, 300)
    async with database.begin() as connection:
        with recorded(connection) as statements:
            await _rows_by_key(connection)
        for statement in statements:
            assert "email_deliveries" not in await read_whole(connection, [statement]), statement[0]


async def test_ends_are_kept_a_day_longer_than_the_gateway_keeps_its_own(database, ledger_of) -> None:
    await _fill(database, 5)
    days = (datetime.now(UTC) - NOW).days  # more than that and less than a day more have gone by
    ledger = ledger_of("w1")

    async def states() -> list[str]:
        async with database.begin() as connection:
            return sorted((await connection.execute(text("SELECT state FROM email_deliveries"))).scalars())

    before = await states()
    for kept in (None, days, days + 30):
        await Retention(ledger, retention_days=kept).run_once()
    assert await states() == before
    assert timedelta(days=1) <= LONGER
    await Retention(ledger, retention_days=days - 2).run_once()
    assert await states() == ["retry", "sending"]
