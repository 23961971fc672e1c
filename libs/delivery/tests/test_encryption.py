"""With DATA_ENCRYPTION_KEYS the ledger says nothing of people, and everything goes on as without."""

import base64
import os
from collections.abc import Callable
from uuid import uuid4

import pytest
from sqlalchemy import text

from chassis.postgres.database import Database
from chassis.security.data_keys import DataKeys
from chassis.server.reencrypting import reencrypt
from delivery.ledger import AlreadyFinished, Claimed, DeliveryRecord, Ledger, LedgerRepository, personal_deliveries
from testkit.dumping import dump

SECRET = f"geheim-{uuid4().hex}"
OLD, NEW = (f"{name}:{base64.b64encode(os.urandom(32)).decode()}" for name in ("old", "new"))
MESSAGE, CONTACT = f'{{"to": "{SECRET}"}}', f'{{"email": "{SECRET}"}}'
RETRY = {"state": "retry", "attempts": 1, "code": "deferred", "detail": f"not now, {SECRET}"}
DUE = {"lease_seconds": 0, "silence_seconds": 15, "limit": 10}


@pytest.fixture
def ledger_with(database: Database) -> Callable[[str], Ledger]:
    """The ledger as a worker with these keys sees it."""
    return lambda keys, owner="w1": Ledger(database, LedgerRepository("email", owner, data_keys=DataKeys.parse(keys)))


@pytest.fixture
def dumped(database_url: str) -> Callable[[], object]:
    return lambda: dump(database_url)


def _recorded(claim, **fields: object) -> DeliveryRecord:
    return DeliveryRecord(claim.notification_id, claim.recipient, **fields)


async def test_the_ledger_never_has_a_readable_personal_value(ledger_with, claim_on, dumped) -> None:
    ledger, claim = ledger_with(OLD), claim_on(message=MESSAGE, contact=CONTACT)
    [claimed] = await ledger.claim([claim])
    assert (type(claimed), claimed.contact) == (Claimed, CONTACT)
    assert SECRET not in (rows := await dumped())
    assert rows.count("enc1:old:") == 2
    assert await ledger.record(_recorded(claim, **RETRY, delay=0))
    assert SECRET not in await dumped()
    [due] = await ledger.take_due(**DUE)
    assert due.message == MESSAGE
    await ledger.claim([claim])
    await ledger.record(_recorded(claim, state="failed", attempts=2, code="bounced", detail=f"no {SECRET}"))
    assert SECRET not in (rows := await dumped())
    assert rows.count("enc1:old:") == 1, "what has ended keeps no message"
    [closed] = await ledger.claim([claim])
    assert (type(closed), closed.detail) == (AlreadyFinished, f"no {SECRET}")
    assert (await ledger.states([claim.notification_id]))[claim.notification_id] == {claim.recipient: closed}


async def test_a_message_whose_key_is_missing_stays_due_and_holds_up_no_other(ledger_with, claim_on) -> None:
    sealed, plain = claim_on(message=MESSAGE), claim_on()
    for keys, claim in ((OLD, sealed), ("", plain)):
        await ledger_with(keys).claim([claim])
        await ledger_with(keys).record(_recorded(claim, **RETRY, delay=0))
    for keys in ("", NEW):
        assert [one.notification_id for one in await ledger_with(keys).take_due(**DUE)] == [plain.notification_id]
    taken = await ledger_with(f"{NEW},{OLD}").take_due(**DUE)
    assert {one.notification_id: one.message for one in taken}[sealed.notification_id] == MESSAGE


async def test_one_readable_delivery_of_two_is_enough_to_publish_the_message_again(ledger_with, claim_on) -> None:
    first = claim_on(message=MESSAGE, recipient="a")
    second = claim_on(first.notification_id, recipient="b", message=MESSAGE)
    for keys, claim in ((OLD, first), (NEW, second)):
        await ledger_with(keys).claim([claim])
        await ledger_with(keys).record(_recorded(claim, **RETRY, delay=0))
    assert [one.message for one in await ledger_with(NEW).take_due(**DUE)] == [MESSAGE]


async def test_the_recipient_of_an_ambiguous_attempt_is_not_guessed_without_the_key(ledger_with, claim_on) -> None:
    claim = claim_on(message=MESSAGE, contact=CONTACT)
    await ledger_with(OLD).claim([claim])
    await ledger_with(OLD).record(_recorded(claim, **RETRY, delay=0, ambiguous=1))
    await ledger_with(OLD).take_due(**DUE)
    [claimed] = await ledger_with(NEW).claim([claim])
    assert (claimed.ambiguous, claimed.undecryptable, claimed.contact) == (True, True, None)
    await ledger_with(NEW).record(_recorded(claim, **RETRY, delay=0))
    await ledger_with(f"{NEW},{OLD}").take_due(**DUE)
    [claimed] = await ledger_with(f"{NEW},{OLD}").claim([claim])
    assert (claimed.ambiguous, claimed.undecryptable, claimed.contact) == (True, False, CONTACT)


async def test_a_report_goes_without_a_providers_words_whose_key_is_missing(ledger_with, claim_on) -> None:
    claim = claim_on()
    await ledger_with(OLD).claim([claim])
    await ledger_with(OLD).record(_recorded(claim, state="failed", attempts=1, code="bounced", detail=SECRET))
    [closed] = await ledger_with("").claim([claim])
    assert (closed.state, closed.code, closed.detail) == ("failed", "bounced", None)


async def test_a_message_that_was_put_into_another_row_is_refused(ledger_with, claim_on, database) -> None:
    one, other = claim_on(message=MESSAGE), claim_on(message='{"to": "other"}')
    for claim in (one, other):
        await ledger_with(OLD).claim([claim])
        await ledger_with(OLD).record(_recorded(claim, **RETRY, delay=0))
    async with database.begin() as connection:
        moved = text("UPDATE email_deliveries SET message = (SELECT message FROM email_deliveries o "
                     "WHERE o.notification_id = :other) WHERE notification_id = :one")  # fmt: skip
        await connection.execute(moved, {"one": one.notification_id, "other": other.notification_id})
    assert [one.message for one in await ledger_with(OLD).take_due(**DUE)] == [other.message]


async def test_the_ledger_is_encrypted_rotated_and_decrypted_in_groups_of_any_size(
    ledger_with, claim_on, database, dumped
) -> None:
    waiting, ended = [claim_on(message=MESSAGE, contact=CONTACT) for _ in range(405)], claim_on()
    ledger = ledger_with("")
    async with database.autocommit() as connection:
        await LedgerRepository("email", "w1").claim(connection, [*waiting, ended])
    await ledger.record(_recorded(waiting[0], **RETRY))
    await ledger.record(_recorded(ended, state="failed", detail=SECRET))
    before, table = await dumped(), personal_deliveries("email")
    for keys, names in ((OLD, "enc1:old:"), (f"{NEW},{OLD}", "enc1:new:"), (f"plain,{NEW}", "")):
        tally = await reencrypt(database, table, DataKeys.parse(keys))
        assert (tally.read, tally.written, tally.undecryptable) == (406, 406, 0)
        rows = await dumped()
        assert (SECRET in rows) == (not names)
        assert rows.count("enc1:") == (rows.count(names) if names else 0)
        assert (await reencrypt(database, table, DataKeys.parse(keys))).written == 0
    assert sorted(rows.splitlines()) == sorted(before.splitlines())
    await reencrypt(database, table, DataKeys.parse(OLD))
    tally = await reencrypt(database, table, DataKeys.parse(NEW))
    assert (tally.read, tally.written, tally.undecryptable, tally.missing) == (406, 0, 406, {"old"})
