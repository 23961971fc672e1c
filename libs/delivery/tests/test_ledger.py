"""The ledger: claims, results, retries, and deliveries that no living worker has in hand."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from contracts.ledger import LedgerErasure
from delivery.ledger import (
    AddedTooLate,
    AlreadyFinished,
    Claim,
    Claimed,
    DeliveryRecord,
    Ledger,
    LedgerRepository,
    NotOwned,
)
from testkit.eventually import time_passes

NO_ID, LAST_ID = UUID(int=0), UUID(int=2**128 - 1)


async def _age(database, seconds: float) -> None:
    async with database.begin() as connection:
        await connection.execute(text(f"UPDATE email_deliveries SET updated_at = now() - interval '{seconds} s'"))


async def test_one_of_many_workers_gets_the_claim(claim_on, ledger_of) -> None:
    claim = claim_on()
    ledgers = [ledger_of(f"w{number}") for number in range(5)]
    states = await asyncio.gather(*(ledger.take(claim) for ledger in ledgers for _ in range(4)))
    # The worker that got it may claim again: its process knows what it has in hand.
    owners = {index // 4 for index, result in enumerate(states) if isinstance(result, Claimed)}
    assert len(owners) == 1


async def test_a_claimed_delivery_is_sending_and_no_other_worker_gets_it(claim_on, ledger_of, database) -> None:
    ledger, claim = ledger_of("w1"), claim_on()
    assert await ledger.take(claim) == Claimed(0, 0, expired=False)
    async with database.begin() as connection:
        assert (await connection.execute(text("SELECT state, owner FROM email_deliveries"))).one() == ("sending", "w1")
    assert isinstance(await ledger_of("w2").take(claim), NotOwned)


async def test_a_sent_delivery_has_finished_for_every_worker(claim_on, ledger_of) -> None:
    ledger, claim = ledger_of("w1"), claim_on()
    await ledger.take(claim)
    result = DeliveryRecord(claim.notification_id, claim.recipient, state="sent", attempts=1, provider_message_id="p")
    assert await ledger.record(result)
    assert await ledger.record(result), "the first answer may have been lost"
    for owner in ("w1", "w2"):
        assert await ledger_of(owner).take(claim) == AlreadyFinished("sent", 1, None, None, "p", 0)


async def test_a_result_of_another_workers_delivery_is_not_recorded(claim_on, ledger_of) -> None:
    claim = claim_on()
    await ledger_of("w1").take(claim)
    assert not await ledger_of("w2").record(
        DeliveryRecord(claim.notification_id, claim.recipient, state="failed", attempts=1)
    )


async def test_a_retry_waits_for_its_time_and_comes_back_once(claim_on, ledger_of) -> None:
    ledger, claim = ledger_of("w1"), claim_on()
    await ledger.take(claim)
    retry = DeliveryRecord(
        claim.notification_id, claim.recipient, state="retry", attempts=1, code="greylisted", delay=0.4
    )
    await ledger.record(retry)
    assert isinstance(await ledger.take(claim), NotOwned), "it is not due"
    assert await ledger.take_due(lease_seconds=60, silence_seconds=15, limit=10) == []
    await time_passes(0.5)
    taken = await ledger_of("w2").take_due(lease_seconds=60, silence_seconds=15, limit=10)
    assert [(one.notification_id, one.message) for one in taken] == [(claim.notification_id, claim.message)]
    assert await ledger.take_due(lease_seconds=60, silence_seconds=15, limit=10) == []
    assert await ledger.take(claim) == Claimed(attempts=1, times_without_attempt=0, expired=False)


async def test_a_requeued_message_that_was_never_handed_over_is_requeued_again_after_its_lease(
    claim_on, ledger_of
) -> None:
    ledger, claim = ledger_of("w1"), claim_on()
    await ledger.take(claim)
    await ledger.record(DeliveryRecord(claim.notification_id, claim.recipient, state="retry", attempts=1, delay=0))
    for _ in range(2):
        assert len(await ledger.take_due(lease_seconds=0, silence_seconds=15, limit=10)) == 1


@pytest.fixture
async def handed_over(claim_on, ledger_of):
    """A retry that is in the broker's queue."""
    ledger, claim = ledger_of("w1"), claim_on()
    await ledger.take(claim)
    await ledger.record(DeliveryRecord(claim.notification_id, claim.recipient, state="retry", attempts=1, delay=0))
    assert len(await ledger.take_due(lease_seconds=0, silence_seconds=15, limit=10)) == 1
    await ledger.mark_handed_over([claim.notification_id])
    return ledger, claim


async def test_a_message_in_the_queue_is_left_there_however_long_it_waits(handed_over, database) -> None:
    ledger, _ = handed_over
    await _age(database, 86_400)
    assert await ledger.take_due(lease_seconds=0, silence_seconds=15, limit=10) == []
    watermarks = {5: datetime.now(UTC) - timedelta(days=2), 6: None}
    assert await ledger.redrive_lost(watermarks, grace_seconds=60, limit=10) == 0, "nothing of its priority came later"


@pytest.mark.parametrize("consumed_before", [None, timedelta()])
async def test_a_message_that_the_queue_has_lost_is_due_again(handed_over, database, consumed_before) -> None:
    ledger, claim = handed_over
    await _age(database, 61)
    watermarks = {5: None if consumed_before is None else datetime.now(UTC) - consumed_before}
    assert await ledger.redrive_lost(watermarks, grace_seconds=90, limit=10) == 0, "within the grace"
    assert await ledger.redrive_lost(watermarks, grace_seconds=60, limit=10) == 1
    (taken,) = await ledger.take_due(lease_seconds=60, silence_seconds=15, limit=10)
    assert taken.notification_id == claim.notification_id


async def _steady(database, worker: str, seconds: float = 60) -> None:
    """As if this worker's heartbeats had been regular for so long."""
    async with database.begin() as connection:
        await connection.execute(
            text(f"UPDATE email_workers SET steady_since = now() - interval '{seconds} s' WHERE id = '{worker}'")
        )


async def _beats(ledger, database, seconds: float = 60) -> None:
    await ledger.beat(silence_seconds=15)
    await _steady(database, ledger.name, seconds)


async def _claimed_by_an_older_worker(database, claim: Claim) -> None:
    """The previous release claims first, and says `sending` later."""
    async with database.begin() as connection:
        await connection.execute(
            text("UPDATE email_deliveries SET state = 'claimed' WHERE notification_id = :id"),
            {"id": claim.notification_id},
        )


async def test_deliveries_of_a_silent_worker_are_taken_over_and_counted_as_ambiguous(
    claim_on, ledger_of, database
) -> None:
    dead, living = ledger_of("dead"), ledger_of("living")
    claimed, sending = claim_on(), claim_on()
    await dead.beat(silence_seconds=15)
    for claim in (claimed, sending):
        await dead.take(claim)
    await _claimed_by_an_older_worker(database, claimed)
    await _beats(living, database)
    await _age(database, 60)
    assert await living.take_due(lease_seconds=60, silence_seconds=15, limit=10) == [], "it has a heartbeat"
    await dead.close()
    taken = await living.take_due(lease_seconds=60, silence_seconds=15, limit=10)
    assert {one.notification_id for one in taken} == {claimed.notification_id, sending.notification_id}
    async with database.begin() as connection:
        counts = text("SELECT notification_id, ambiguous, attempts, faults FROM email_deliveries")
        rows = {row.notification_id: tuple(row)[1:] for row in await connection.execute(counts)}
    assert (rows[claimed.notification_id], rows[sending.notification_id]) == ((0, 0, 0), (1, 1, 1))


async def test_claims_show_what_a_dead_worker_may_have_sent_until_a_new_round(claim_on, ledger_of, database) -> None:
    dead, living = ledger_of("dead"), ledger_of("living")
    claimed, sending = claim_on(), claim_on(contact='{"email": "first"}')
    for claim in (claimed, sending):
        await dead.take(claim)
    await _claimed_by_an_older_worker(database, claimed)
    await _age(database, 60)
    await _beats(living, database)
    await living.take_due(lease_seconds=60, silence_seconds=15, limit=10)
    assert await living.take(claimed) == Claimed(0, 0, expired=False, ambiguous=False)
    later = replace(sending, contact='{"email": "second"}')
    assert await living.take(later) == Claimed(1, 0, expired=False, ambiguous=True, contact=sending.contact, faults=1)
    await living.record(DeliveryRecord(sending.notification_id, sending.recipient, state="unknown", code="worker_lost"))
    again = claim_on(sending.notification_id, replay=1, contact='{"email": "second"}')
    assert await living.take(again) == Claimed(0, 0, expired=False, ambiguous=False, contact=again.contact)


async def test_a_refused_delivery_is_retried_to_the_current_recipient(claim_on, ledger_of) -> None:
    ledger, claim = ledger_of("w1"), claim_on(contact="first")
    await ledger.take(claim)
    await ledger.record(DeliveryRecord(claim.notification_id, claim.recipient, state="retry", attempts=1, delay=0))
    await ledger.take_due(lease_seconds=60, silence_seconds=15, limit=10)
    assert await ledger.take(replace(claim, contact="second")) == Claimed(1, 0, expired=False, contact="second")


async def test_an_ambiguous_answer_is_remembered_with_its_recipient(claim_on, ledger_of) -> None:
    ledger, claim = ledger_of("w1"), claim_on(contact="first")
    await ledger.take(claim)
    await ledger.record(
        DeliveryRecord(claim.notification_id, claim.recipient, state="retry", attempts=1, ambiguous=1, delay=0)
    )
    await ledger.take_due(lease_seconds=60, silence_seconds=15, limit=10)
    assert await ledger.take(replace(claim, contact="second")) == Claimed(1, 0, False, ambiguous=True, contact="first")


TAKES_OVER = {
    "its heartbeats were regular": ("", True),
    "it has just begun": ("UPDATE email_workers SET steady_since = now() - interval '14 s' WHERE id = 'living'", False),
    "its own last heartbeat is too old": ("UPDATE email_workers SET heartbeat_at = now() - interval '9 s'", False),
    "its clock was ahead": ("UPDATE email_workers SET heartbeat_at = now() + interval '9 min'", False),
    "it has no heartbeat": ("DELETE FROM email_workers WHERE id = 'living'", False),
}


@pytest.mark.parametrize(("change", "takes_over"), TAKES_OVER.values(), ids=TAKES_OVER)
async def test_a_worker_takes_over_only_when_its_own_heartbeats_were_regular_for_as_long(
    claim_on, ledger_of, database, change: str, takes_over: bool
) -> None:
    living = ledger_of("living")
    await ledger_of("dead").take(claim_on())
    await _age(database, 60)
    await _beats(living, database)
    if change:
        async with database.begin() as connection:
            await connection.execute(text(change))
    assert bool(await living.take_due(lease_seconds=60, silence_seconds=15, limit=10)) == takes_over


@pytest.mark.parametrize("heartbeat", ["- interval '8 s'", "+ interval '9 min'"])
async def test_after_an_interruption_or_a_jump_of_the_clock_a_workers_heartbeats_begin_again(
    ledger_of, database, heartbeat
) -> None:
    ledger = ledger_of("w1")
    await _beats(ledger, database)
    steady = text("SELECT now() - steady_since > interval '30 s' FROM email_workers")
    await ledger.beat(silence_seconds=15)
    async with database.begin() as connection:
        assert (await connection.execute(steady)).scalar_one(), "no interruption yet"
        await connection.execute(text(f"UPDATE email_workers SET heartbeat_at = now() {heartbeat}"))
    await ledger.beat(silence_seconds=15)
    async with database.begin() as connection:
        assert not (await connection.execute(steady)).scalar_one()


@pytest.mark.parametrize("what", ["UPDATE email_workers SET heartbeat_at = now() + interval '9 min' WHERE id = 'dead'",
                                  "UPDATE email_deliveries SET updated_at = now() + interval '9 min'"])  # fmt: skip
async def test_times_in_the_future_do_not_keep_a_dead_worker_alive(claim_on, ledger_of, database, what) -> None:
    dead, living = ledger_of("dead"), ledger_of("living")
    await dead.take(claim_on())
    await dead.beat(silence_seconds=15)
    await _age(database, 60)
    async with database.begin() as connection:
        await connection.execute(text("UPDATE email_workers SET heartbeat_at = now() - interval '1 min'"))
        await connection.execute(text(what))
    await _beats(living, database)
    assert len(await living.take_due(lease_seconds=60, silence_seconds=15, limit=10)) == 1


async def test_owned_deliveries_that_are_not_in_hand_are_released(claim_on, ledger_of, database) -> None:
    ledger = ledger_of("w1")
    lost, held, claimed_again = claim_on(), claim_on(), claim_on()
    for claim in (lost, held, claimed_again):
        await ledger.take(claim)
    assert await ledger.owned(silence_seconds=15) == [], "all of them were claimed a moment ago"
    await _age(database, 16)
    owned = {one.notification_id: one for one in await ledger.owned(silence_seconds=15)}
    assert owned.keys() == {lost.notification_id, held.notification_id, claimed_again.notification_id}
    await ledger.take(claimed_again)
    abandoned = [owned[lost.notification_id], owned[claimed_again.notification_id]]
    assert await ledger.requeue_abandoned(abandoned) == 1
    assert await ledger_of("w2").requeue_abandoned([owned[held.notification_id]]) == 0
    taken = await ledger.take_due(lease_seconds=60, silence_seconds=15, limit=10)
    assert [one.notification_id for one in taken] == [lost.notification_id]
    assert await ledger_of("w2").take(lost) == Claimed(0, 0, expired=False), (
        "not ambiguous: its provider was not called"
    )


async def test_a_late_sent_is_recorded_unless_another_worker_is_sending(claim_on, ledger_of, database) -> None:
    slow, living = ledger_of("slow"), ledger_of("living")
    requeued, sending = claim_on(), claim_on()
    for claim in (requeued, sending):
        await slow.take(claim)
    await _age(database, 60)
    await _beats(living, database)
    assert len(await living.take_due(lease_seconds=60, silence_seconds=15, limit=10)) == 2
    await living.take(sending)

    def result(claim: Claim, **changes: object) -> DeliveryRecord:
        return DeliveryRecord(claim.notification_id, claim.recipient, **{"state": "sent", "attempts": 1, **changes})

    assert not await slow.record(result(requeued, state="failed"))
    assert not await slow.record(result(requeued, replay=1)), "of another round"
    assert [await slow.record(result(claim)) for claim in (requeued, sending)] == [True, False]
    assert isinstance(await living.take(requeued), AlreadyFinished), "so it is not sent again"


async def test_devices_are_those_of_the_call_that_began_the_round(claim_on, ledger_of) -> None:
    first, second = ledger_of("w1"), ledger_of("w2")
    named = claim_on(recipient="a")
    added, late = (replace(named, recipient=name, added_later=True) for name in ("b", "c"))
    assert await first.claim([named, added]) == [Claimed(0, 0, expired=False)] * 2
    assert await second.claim([named, added, late]) == [NotOwned(), NotOwned(), AddedTooLate()]
    for claim in (named, added):
        await first.record(DeliveryRecord(claim.notification_id, claim.recipient, state="failed", attempts=1))
    again = [replace(claim, replay=1) for claim in (named, added, late)]
    assert await second.claim(again) == [Claimed(0, 0, expired=False)] * 3, "a new round begins with those of today"


async def test_only_the_sent_deliveries_of_earlier_rounds_count(claim_on, ledger_of) -> None:
    ledger, first = ledger_of("w1"), claim_on(recipient="a")
    other, sent = (replace(first, recipient=name) for name in ("b", "c"))
    await ledger.claim([first, other, sent])
    for claim, state in ((first, "failed"), (other, "unknown"), (sent, "sent")):
        await ledger.record(DeliveryRecord(claim.notification_id, claim.recipient, state=state, attempts=1))
    await ledger.take(replace(first, replay=1))
    known = (await ledger.states([first.notification_id]))[first.notification_id]
    assert {name: getattr(one, "state", None) for name, one in known.items()} == {"a": None, "c": "sent"}


async def test_one_of_two_workers_determines_the_devices(claim_on, ledger_of) -> None:
    for _ in range(20):
        named = claim_on(recipient="a")
        claims = [[named, replace(named, recipient=f"added by {name}", added_later=True)] for name in ("w1", "w2")]
        found = await asyncio.gather(
            *(ledger_of(name).claim(one) for name, one in zip(("w1", "w2"), claims, strict=True))
        )
        kinds = sorted(tuple(type(result).__name__ for result in states) for states in found)
        assert kinds == [("Claimed", "Claimed"), ("NotOwned", "AddedTooLate")]


async def test_a_replay_has_a_fresh_budget_and_an_old_copy_does_not_spoil_it(claim_on, ledger_of) -> None:
    ledger, claim = ledger_of("w1"), claim_on()
    await ledger.take(claim)
    spent = DeliveryRecord(
        claim.notification_id,
        claim.recipient,
        state="failed",
        attempts=6,
        faults=5,
        refused_for_now=True,
        code="exhausted",
    )
    await ledger.record(spent)
    again = claim_on(claim.notification_id, replay=1)
    assert await ledger.take(again) == Claimed(0, 0, expired=False)
    assert isinstance(await ledger_of("w2").take(claim), NotOwned)


async def test_expiry_is_decided_by_the_databases_clock(claim_on, ledger_of) -> None:
    result = await ledger_of("w1").take(claim_on(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert result == Claimed(0, 0, expired=True)


@pytest.fixture
async def suppression_list(database) -> str:
    async with database.begin() as connection:
        await connection.execute(text("CREATE TABLE dead_addresses (fingerprint text PRIMARY KEY)"))
        await connection.execute(text("INSERT INTO dead_addresses VALUES ('dead')"))
    return "dead_addresses"


@pytest.mark.parametrize("added", [False, True])
async def test_a_claim_shows_whether_the_address_is_suppressed(
    claim_on, database, suppression_list, added: bool
) -> None:
    ledger = Ledger(database, LedgerRepository("email", "w1", suppression_list=suppression_list))
    claims = [claim_on(recipient=one, fingerprint=one) for one in ("dead", "alive")]
    if added:
        claims = [*claims, replace(claims[0], recipient="nameless", fingerprint=None, added_later=True)]
    found = await ledger.claim(claims)
    assert [one.suppressed for one in found] == [True, False, False][: len(claims)]


async def test_totals_count_notifications_that_went_out_and_deliveries_by_state(claim_on, ledger_of) -> None:
    ledger, twice, waiting = ledger_of("w1"), claim_on(), claim_on()
    other = replace(twice, recipient="another device")
    for claim in (twice, other, waiting):
        await ledger.take(claim)
    for claim in (twice, other):
        await ledger.record(DeliveryRecord(claim.notification_id, claim.recipient, state="sent", attempts=1))
    found = await ledger.totals(NO_ID, LAST_ID)
    assert (found.sent, found.deliveries) == (1, {"sent": 2, "sending": 1})
    assert found.fingerprint != "0"


async def test_totals_are_of_the_ids_that_are_asked_for(claim_on, ledger_of) -> None:
    ledger, claim = ledger_of("w1"), claim_on()
    await ledger.take(claim)
    await ledger.record(DeliveryRecord(claim.notification_id, claim.recipient, state="sent", attempts=1))
    after = UUID(int=claim.notification_id.int + 1)
    assert (await ledger.totals(claim.notification_id, after)).sent == 1
    for first, last in ((NO_ID, claim.notification_id), (after, LAST_ID)):
        found = await ledger.totals(first, last)
        assert (found.sent, found.fingerprint, found.deliveries) == (0, "0", {})


async def test_erasing_deletes_providers_texts_and_makes_waiting_retries_due(claim_on, ledger_of, database) -> None:
    ledger, ended, waiting, flying, other = ledger_of("w1"), *(claim_on() for _ in range(4))
    for claim in (ended, waiting, flying, other):
        await ledger.take(claim)
    for claim, state in ((ended, "failed"), (waiting, "retry"), (other, "retry")):
        row = DeliveryRecord(
            claim.notification_id, claim.recipient, state=state, attempts=1, detail="no Zoe", delay=3_600
        )
        await ledger.record(row)
    ids = [claim.notification_id for claim in (ended, waiting, flying)]
    assert await ledger.erase(ids) == LedgerErasure(deliveries=3, open=2)
    async with database.begin() as connection:
        rows = await connection.execute(text("SELECT notification_id, detail FROM email_deliveries"))
        assert {row.notification_id for row in rows if row.detail} == {other.notification_id}
    due = await ledger.take_due(lease_seconds=60, silence_seconds=15, limit=10)
    assert [item.notification_id for item in due] == [waiting.notification_id]
    sent = DeliveryRecord(flying.notification_id, flying.recipient, state="sent", attempts=1)
    assert await ledger.record(sent), "the worker that has it in hand goes on"
    assert await ledger.erase([*ids, UUID(int=1)]) == LedgerErasure(deliveries=3, open=1)
