"""The export's pages: every entry once, each at the price of the first, whatever is added or removed meanwhile."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from chassis.postgres.database import Database
from contracts.suppressions import MAX_EXPORTED
from email_service.settings import ALEMBIC
from email_service.suppression import SuppressionList

ROWS = 100_000
FILL = """INSERT INTO email_suppressions (fingerprint, masked, reason)
SELECT encode(sha256(n::text::bytea), 'hex'), 'a***@example.com', CASE WHEN n % 1000 = 0 THEN 'complained' ELSE 'bounced' END
FROM generate_series(1, :rows) AS n"""
PAGE = """EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT fingerprint, masked, reason, origin, created_at
FROM email_suppressions WHERE fingerprint > :after ORDER BY fingerprint LIMIT :limit"""


@pytest.fixture
async def database(databases) -> AsyncIterator[Database]:
    made = Database(await databases(ALEMBIC))
    yield made
    await made.close()


async def fill(database: Database, rows: int) -> None:
    async with database.begin() as connection:
        await connection.execute(text(FILL), {"rows": rows})
    async with database.begin() as connection:
        await connection.execute(text("ANALYZE email_suppressions"))


async def exported(suppressed: SuppressionList, reason: str | None = None, *, limit: int = MAX_EXPORTED) -> list[str]:
    found: list[str] = []
    while page := await suppressed.after(found[-1] if found else "", reason, limit=limit):
        assert len(page) <= limit
        found += [one.fingerprint for one in page]
    return found


async def test_a_hundred_thousand_entries_are_read_once_each_in_pages(database):
    await fill(database, ROWS)
    suppressed = SuppressionList(database)
    found = await exported(suppressed)
    assert len(found) == len(set(found)) == ROWS
    assert found == sorted(found)
    assert len(await exported(suppressed, "complained")) == ROWS // 1000


async def test_the_last_page_costs_no_more_than_the_first(database):
    await fill(database, ROWS)

    async def looked_at(after: str) -> int:
        async with database.begin() as connection:
            [plan] = await connection.scalar(text(PAGE), {"after": after, "limit": MAX_EXPORTED})
        assert plan["Plan"]["Actual Rows"] == MAX_EXPORTED
        return plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]

    assert await looked_at("f8" + "0" * 62) < 1.5 * await looked_at("")


async def test_changes_during_an_export_shift_no_page(database):
    await fill(database, 100)
    suppressed = SuppressionList(database)
    everything = await exported(suppressed)
    first = [one.fingerprint for one in await suppressed.after("", None, limit=50)]
    for gone in first[:10]:
        assert await suppressed.remove(gone)
    rest = [one.fingerprint for one in await suppressed.after(first[-1], None, limit=100)]
    assert [*first, *rest] == everything
