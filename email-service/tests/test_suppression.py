"""A dead address is not written to again, by any worker, until somebody pardons it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from chassis.postgres.database import Database
from contracts.addresses import fingerprint
from delivery.ledger import Claim, Ledger, LedgerRepository
from email_service.channel import EmailChannel
from email_service.repositories.suppressions import SuppressedAddress
from email_service.settings import ALEMBIC
from email_service.suppression import SuppressionList

ADA = fingerprint("ada@example.com")
DEAD = SuppressedAddress(ADA, "a***@example.com", "bounced")


@pytest.fixture
async def database(databases) -> AsyncIterator[Database]:
    made = Database(await databases(ALEMBIC))
    yield made
    await made.close()


@pytest.fixture
async def suppressed(database) -> AsyncIterator[SuppressionList]:
    made = SuppressionList(database)
    yield made
    await made.close()


@pytest.fixture
def ledger(database) -> Ledger:
    return Ledger(database, LedgerRepository("email", "w1", suppression_list=EmailChannel.suppression_list))


@pytest.fixture
def suppressing(ledger) -> Callable[..., Awaitable[bool]]:
    """Whether Ada's address is on the list for whoever claims a mail to it now."""

    async def asked(notification_id: UUID | None = None) -> bool:
        [claimed] = await ledger.claim([Claim(notification_id or uuid4(), ADA[:32], 0, 5, "{}", None, fingerprint=ADA)])
        return claimed.suppressed

    return asked


async def test_an_added_address_is_not_written_to_and_a_pardoned_one_again(suppressed, suppressing):
    assert not await suppressing()
    await suppressed.add(DEAD)
    assert await suppressing()
    assert await suppressed.remove(ADA)
    assert not await suppressing()
    assert not await suppressed.remove(ADA)


async def test_adding_again_keeps_the_first_reason(suppressed):
    await asyncio.gather(
        *(suppressed.add(SuppressedAddress(ADA, "a***@example.com", reason)) for reason in ("bounced", "complained"))
    )
    found = await suppressed.get(ADA)
    assert found is not None
    assert found.reason == "bounced"


async def test_an_address_is_stored_in_no_readable_form(database, suppressed):
    await suppressed.add(DEAD)
    async with database.begin() as connection:
        row = (await connection.execute(text("SELECT * FROM email_suppressions"))).one()
    assert "ada@example.com" not in str(row)


async def test_an_erased_users_address_stays_suppressed_without_its_masked_form(ledger, suppressed, suppressing):
    theirs, other = uuid4(), uuid4()
    bo = SuppressedAddress(fingerprint("bo@example.com"), "b***@example.com", "bounced", notification_id=other)
    await suppressed.add(replace(DEAD, notification_id=theirs))
    await suppressed.add(bo)
    await suppressing(theirs)
    await ledger.erase([theirs])
    assert await suppressing()
    left = [await suppressed.get(one) for one in (ADA, bo.fingerprint)]
    assert [(one.masked, one.notification_id) for one in left] == [("erased", None), ("b***@example.com", other)]
