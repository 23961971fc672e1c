"""A ledger on a real database."""

from collections.abc import AsyncIterator, Callable
from uuid import UUID, uuid4

import pytest
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import create_async_engine

from chassis.postgres.database import Database
from delivery.ledger import Claim, ClaimResult, Ledger, LedgerRepository, ledger_tables


class OneByOne(Ledger):
    """A ledger for tests with one recipient: `take` makes one claim."""

    def __init__(self, database: Database, name: str) -> None:
        super().__init__(database, LedgerRepository("email", name))
        self.name = name

    async def take(self, claim: Claim) -> ClaimResult:
        return (await self.claim([claim]))[0]


@pytest.fixture
async def database_url(databases) -> str:
    return await databases(_ledger)


async def _ledger(url: str) -> None:
    metadata = MetaData()
    ledger_tables(metadata, "email")
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await engine.dispose()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
def ledger_of(database: Database) -> Callable[[str], OneByOne]:
    """The ledger as the worker of that name sees it."""
    return lambda owner: OneByOne(database, owner)


@pytest.fixture
def claim_on() -> Callable[..., Claim]:
    """Makes claims: on a new notification, unless an id is given."""

    def make(notification_id: UUID | None = None, recipient: str = "r1", **changes: object) -> Claim:
        values = {"replay": 0, "priority": 5, "message": '{"a": 1}', "expires_at": None, **changes}
        return Claim(notification_id or uuid4(), recipient, **values)

    return make
