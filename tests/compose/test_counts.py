"""The drill's last step: the same counts are the same, and a lost notification is not."""

import copy
from datetime import UTC, datetime, timedelta

from api_gateway.schemas.answers import ChannelTotals, LedgerCheck, Reconciliation
from contracts.status import Status
from tests.compose.counts import differences, ledgers_answer

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def answer(*, asked_at: datetime, sent: int = 7, ledger: bool = True) -> dict:
    """As the gateway gives it: `since` moves with every question."""
    check = LedgerCheck(
        since=asked_at - timedelta(hours=24), sent_by_gateway=sent, sent_by_ledger=sent, unreported=0, unfounded=0,
        deliveries={"sent": sent},
    )  # fmt: skip
    totals = ChannelTotals(
        accepted=7, by_status={Status.SENT: sent}, unaccounted=7 - sent, held=0, ledger=check if ledger else None
    )
    return Reconciliation(accepted=7, unaccounted=7 - sent, channels={"email": totals}).model_dump(mode="json")


def test_the_same_counts_at_another_time_of_day_are_the_same() -> None:
    assert differences(answer(asked_at=NOW), answer(asked_at=NOW + timedelta(minutes=3))) == []


def test_a_lost_notification_is_told_by_name() -> None:
    lost = differences(answer(asked_at=NOW), answer(asked_at=NOW, sent=6))
    assert "email.by_status.sent: 7 before, 6 after" in lost
    assert "email.ledger.sent_by_ledger: 7 before, 6 after" in lost


def test_a_count_that_is_gone_is_a_difference() -> None:
    after = copy.deepcopy(answer(asked_at=NOW))
    del after["channels"]["email"]["by_status"]["sent"]
    assert differences(answer(asked_at=NOW), after) == ["email.by_status.sent: 7 before, None after"]


def test_a_ledger_that_nobody_has_read_yet_is_waited_for() -> None:
    assert not ledgers_answer(answer(asked_at=NOW, ledger=False))
    assert ledgers_answer(answer(asked_at=NOW))
