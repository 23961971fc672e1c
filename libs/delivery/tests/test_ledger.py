"""The ledger: who may send, who has sent, and what nobody has in hand any more."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from delivery.ledger import Claimed, Closed, InOtherHands, Recorded

NO_ID, LAST_ID = UUID(int=0), UUID(int=2**128 - 1)


async def _age(database, seconds: float) -> None:
    async with database.begin() as connection:
        await connection.execute(text(f"UPDATE email_deliveries SET updated_at = now() - interval '{seconds} s'"))


async def test_of_many_workers_one_gets_the_claim(claim_on, ledger_of) -> None:
    claim = claim_on()
    ledgers = [ledger_of(f"w{number}") for number in range(5)]
    standings = await asyncio.gather(*(ledger.claim(claim) for ledger in ledgers for _ in range(4)))
    # The one that got it may claim again: its process knows what it has in hand.
    owners = {place // 4 for place, standing in enumerate(standings) if isinstance(standing, Claimed)}
    assert len(owners) == 1


async def test_only_one_mark_of_two_copies_may_be_sent(claim_on, ledger_of) -> None:
    ledger, claim = ledger_of("w1"), claim_on()
    assert await ledger.claim(claim) == Claimed(0, 0, expired=False)
    key = (claim.notification_id, claim.recipient)
    assert sorted(await asyncio.gather(ledger.mark_sending(key), ledger.mark_sending(key))) == [False, True]
    assert not await ledger_of("w2").mark_sending(key)


async def test_what_was_sent_is_closed_for_everybody(claim_on, ledger_of) -> None:
    ledger, claim = ledger_of("w1"), claim_on()
    await ledger.claim(claim)
    await ledger.mark_sending((claim.notification_id, claim.recipient))
    result = Recorded(claim.notification_id, claim.recipient, "sent", attempts=1, provider_message_id="p")
    assert await ledger.record(result)
    assert await ledger.record(result), "the first answer may have been lost"
    for owner in ("w1", "w2"):
        assert await ledger_of(owner).claim(claim) == Closed("sent", 1, None, None, "p", 0)


async def test_a_result_of_somebody_elses_delivery_is_not_recorded(claim_on, ledger_of) -> None:
    claim = claim_on()
    await ledger_of("w1").claim(claim)
    assert not await ledger_of("w2").record(Recorded(claim.notification_id, claim.recipient, "sent", attempts=1))


async def test_a_retry_waits_for_its_time_and_comes_back_once(claim_on, ledger_of) -> None:
    ledger, claim = ledger_of("w1"), claim_on()
    await ledger.claim(claim)
    retry = Recorded(claim.notification_id, claim.recipient, "retry", attempts=1, code="greylisted", delay=0.4)
    await ledger.record(retry)
    assert isinstance(await ledger.claim(claim), InOtherHands), "it is not due"
    assert await ledger.take_due(lease_seconds=60, silence_seconds=15, largest=10) == []
    await asyncio.sleep(0.5)
    taken = await ledger_of("w2").take_due(lease_seconds=60, silence_seconds=15, largest=10)
    assert [(one.notification_id, one.message) for one in taken] == [(claim.notification_id, claim.message)]
    assert await ledger.take_due(lease_seconds=60, silence_seconds=15, largest=10) == []
    assert await ledger.claim(claim) == Claimed(attempts=1, deferrals=0, expired=False)


async def test_what_was_requeued_and_lost_is_requeued_again_after_its_lease(claim_on, ledger_of) -> None:
    ledger, claim = ledger_of("w1"), claim_on()
    await ledger.claim(claim)
    await ledger.record(Recorded(claim.notification_id, claim.recipient, "retry", attempts=1, delay=0))
    for _ in range(2):
        assert len(await ledger.take_due(lease_seconds=0, silence_seconds=15, largest=10)) == 1


async def test_what_a_silent_worker_had_is_taken_over_and_doubt_is_counted(claim_on, ledger_of, database) -> None:
    dead, living = ledger_of("dead"), ledger_of("living")
    claimed, sending = claim_on(), claim_on()
    await dead.beat()
    for claim in (claimed, sending):
        await dead.claim(claim)
    await dead.mark_sending((sending.notification_id, sending.recipient))
    await living.beat()
    await _age(database, 60)
    assert await living.take_due(lease_seconds=60, silence_seconds=15, largest=10) == [], "its heart beats"
    await dead.close()
    taken = await living.take_due(lease_seconds=60, silence_seconds=15, largest=10)
    assert {one.notification_id for one in taken} == {claimed.notification_id, sending.notification_id}
    async with database.begin() as connection:
        rows = dict((await connection.execute(text("SELECT notification_id, ambiguous FROM email_deliveries"))).all())
    assert (rows[claimed.notification_id], rows[sending.notification_id]) == (0, 1)


async def test_who_takes_over_is_told_what_a_dead_worker_may_have_sent_until_a_new_round(
    claim_on, ledger_of, database
) -> None:
    dead, living = ledger_of("dead"), ledger_of("living")
    claimed, sending = claim_on(), claim_on()
    for claim in (claimed, sending):
        await dead.claim(claim)
    await dead.mark_sending((sending.notification_id, sending.recipient))
    await _age(database, 60)
    await living.take_due(lease_seconds=60, silence_seconds=15, largest=10)
    assert await living.claim(claimed) == Claimed(0, 0, expired=False, doubtful=False)
    assert await living.claim(sending) == Claimed(0, 0, expired=False, doubtful=True)
    await living.record(Recorded(sending.notification_id, sending.recipient, "unknown", code="worker_lost"))
    again = claim_on(sending.notification_id, replay=1)
    assert await living.claim(again) == Claimed(0, 0, expired=False, doubtful=False)


async def test_nobody_is_judged_when_silence_cannot_be_told_from_an_outage(claim_on, ledger_of, database) -> None:
    await ledger_of("dead").claim(claim_on())
    await _age(database, 60)
    assert await ledger_of("w2").take_due(lease_seconds=60, silence_seconds=None, largest=10) == []


async def test_a_replay_has_a_fresh_budget_and_an_old_copy_does_not_spoil_it(claim_on, ledger_of) -> None:
    ledger, claim = ledger_of("w1"), claim_on()
    await ledger.claim(claim)
    await ledger.record(Recorded(claim.notification_id, claim.recipient, "failed", attempts=6, code="exhausted"))
    again = claim_on(claim.notification_id, replay=1)
    assert await ledger.claim(again) == Claimed(0, 0, expired=False)
    assert isinstance(await ledger_of("w2").claim(claim), InOtherHands)


async def test_expiry_is_told_by_the_databases_clock(claim_on, ledger_of) -> None:
    standing = await ledger_of("w1").claim(claim_on(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert standing == Claimed(0, 0, expired=True)


async def test_a_retry_to_an_address_that_is_gone_ends(claim_on, ledger_of) -> None:
    ledger = ledger_of("w1")
    gone = claim_on(recipient="gone")
    await ledger.claim(gone)
    await ledger.record(Recorded(gone.notification_id, "gone", "retry", attempts=1, delay=0))
    await ledger.drop_others(gone.notification_id, ["kept"])
    assert [one.state for one in await ledger.closed(gone.notification_id)] == ["suppressed"]
    assert await ledger.take_due(lease_seconds=0, silence_seconds=15, largest=10) == []


async def test_totals_count_notifications_that_went_out_and_deliveries_by_state(claim_on, ledger_of) -> None:
    ledger, twice, waiting = ledger_of("w1"), claim_on(), claim_on()
    other = replace(twice, recipient="another device")
    for claim in (twice, other, waiting):
        await ledger.claim(claim)
    for claim in (twice, other):
        await ledger.record(Recorded(claim.notification_id, claim.recipient, "sent", attempts=1))
    found = await ledger.totals(NO_ID, LAST_ID)
    assert (found.sent, found.deliveries) == (1, {"sent": 2, "claimed": 1})
    assert found.fingerprint != "0"


async def test_totals_are_of_the_ids_that_are_asked_for(claim_on, ledger_of) -> None:
    ledger, claim = ledger_of("w1"), claim_on()
    await ledger.claim(claim)
    await ledger.record(Recorded(claim.notification_id, claim.recipient, "sent", attempts=1))
    after = UUID(int=claim.notification_id.int + 1)
    assert (await ledger.totals(claim.notification_id, after)).sent == 1
    for first, last in ((NO_ID, claim.notification_id), (after, LAST_ID)):
        found = await ledger.totals(first, last)
        assert (found.sent, found.fingerprint, found.deliveries) == (0, "0", {})
