"""A dead address is not written to again, by any worker, until somebody pardons it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from chassis.database import Database, DatabaseUnavailable
from email_service.addresses import fingerprint
from email_service.migrating import ALEMBIC
from email_service.repositories.suppressions import DeadAddress
from email_service.suppression import REMEMBERED_SECONDS, SuppressionList

ADA = fingerprint("ada@example.com")
DEAD = DeadAddress(ADA, "a***@example.com", "bounced")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def database(databases) -> AsyncIterator[Database]:
    made = Database(await databases(ALEMBIC))
    yield made
    await made.close()


@pytest.fixture
async def clock() -> Clock:
    return Clock()


@pytest.fixture
async def suppressed(database, clock) -> AsyncIterator[SuppressionList]:
    made = SuppressionList(database, clock=clock)
    yield made
    await made.close()


async def test_an_added_address_is_held_at_once_and_by_other_workers_within_seconds(database, suppressed, clock):
    other = SuppressionList(database, clock=clock)
    assert not await suppressed.holds(ADA)
    assert not await other.holds(ADA)
    await suppressed.add(DEAD)
    assert await suppressed.holds(ADA)
    clock.now += REMEMBERED_SECONDS
    assert await other.holds(ADA)


async def test_a_pardoned_address_is_written_to_again(suppressed):
    await suppressed.add(DEAD)
    assert await suppressed.remove(ADA)
    assert not await suppressed.holds(ADA)
    assert not await suppressed.remove(ADA)


async def test_adding_again_keeps_the_first_reason_and_disturbs_nobody(suppressed):
    await asyncio.gather(
        *(suppressed.add(DeadAddress(ADA, "a***@example.com", reason)) for reason in ("bounced", "complained"))
    )
    found = await suppressed.get(ADA)
    assert found is not None
    assert found.reason == "bounced"


async def test_a_known_answer_costs_no_question_for_a_few_seconds(database, suppressed, clock):
    assert not await suppressed.holds(ADA)
    async with database.begin() as connection:
        await connection.execute(text("INSERT INTO email_suppressions VALUES (:f, 'm', 'r', now())"), {"f": ADA})
    assert not await suppressed.holds(ADA)
    clock.now += REMEMBERED_SECONDS
    assert await suppressed.holds(ADA)


async def test_questions_asked_together_each_get_their_own_answer(suppressed):
    others = [fingerprint(f"{number}@example.com") for number in range(600)]
    await suppressed.add(DEAD)
    answers = await asyncio.gather(*(suppressed.holds(one) for one in [*others, ADA]))
    assert answers == [False] * 600 + [True]


async def test_nothing_readable_is_kept_of_an_address(database, suppressed):
    await suppressed.add(DEAD)
    async with database.begin() as connection:
        row = (await connection.execute(text("SELECT * FROM email_suppressions"))).one()
    assert "ada@example.com" not in str(row)


async def test_without_the_database_nobody_is_said_to_be_fine():
    nowhere = SuppressionList(Database("postgresql+asyncpg://nobody@127.0.0.1:1/nothing"))
    with pytest.raises(DatabaseUnavailable):
        await nowhere.holds(ADA)
