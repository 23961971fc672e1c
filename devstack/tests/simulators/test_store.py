import asyncio
import stat
from datetime import UTC, datetime

import pytest

from devstack.simulators.store import Inbox
from testkit.eventually import other_tasks


def take(inbox: Inbox, number: int, recipient: str = "b@example.com") -> None:
    inbox.take_email(envelope_from="a@example.com", recipient=recipient, raw=b"Message-ID: <%d@x>\r\n\r\n\xff" % number)


def reopened(inbox: Inbox, path, **options) -> Inbox:
    inbox.close()
    return Inbox(path, **options)


def test_only_the_newest_are_kept_and_all_are_counted(inbox):
    inbox = Inbox(keep=3)
    for number in range(5):
        take(inbox, number)
    inbox.take_push(token="t", raw="{}")
    assert [email.message_id for email in inbox.emails] == ["<2@x>", "<3@x>", "<4@x>"]
    assert (inbox.emails.total, inbox.pushes.total, len(inbox.pushes)) == (5, 1, 1)


def test_the_inbox_survives_a_restart(tmp_path):
    inbox = Inbox(tmp_path / "data" / "inbox.jsonl")
    take(inbox, 1)
    push = inbox.take_push(token="t", raw='{"token": "t"}', correlation_id="c", request_id="r")
    [email] = inbox.emails
    again = reopened(inbox, tmp_path / "data" / "inbox.jsonl")
    assert list(again.emails) == [email]
    assert list(again.pushes) == [push]
    assert (again.emails.total, again.pushes.total) == (1, 1)
    take(again, 2)
    assert [message.id for message in again.emails] == [1, 3]
    again.close()


def test_the_file_stays_bounded_and_totals_survive_its_rewriting(tmp_path):
    path = tmp_path / "inbox.jsonl"
    inbox = Inbox(path, keep=10)
    for number in range(95):
        take(inbox, number)
    assert len(path.read_text().splitlines()) <= 21
    again = reopened(inbox, path, keep=10)
    assert [email.message_id for email in again.emails] == [f"<{number}@x>" for number in range(85, 95)]
    assert again.emails.total == 95
    take(again, 95)
    assert list(again.emails)[-1].id == 96
    again.close()


def test_a_line_cut_short_by_a_crash_costs_only_itself(tmp_path):
    path = tmp_path / "inbox.jsonl"
    inbox = Inbox(path)
    for number in (1, 2):
        take(inbox, number)
    inbox.close()
    path.write_bytes(path.read_bytes()[:-20])
    again = Inbox(path)
    take(again, 3)
    last = reopened(again, path)
    assert [email.message_id for email in last.emails] == ["<1@x>", "<3@x>"]
    last.close()


def test_clearing_forgets_messages_but_never_reuses_their_ids(tmp_path):
    path = tmp_path / "inbox.jsonl"
    inbox = Inbox(path)
    take(inbox, 1)
    inbox.emails.refused = 4
    inbox.clear()
    again = reopened(inbox, path)
    assert (len(again.emails), again.emails.total, again.emails.refused) == (0, 0, 0)
    take(again, 2)
    assert [email.id for email in again.emails] == [2]
    again.close()


@pytest.mark.parametrize("keep", [1, 100])  # with and without a rewriting
def test_only_its_owner_may_read_the_file(tmp_path, keep):
    path = tmp_path / "inbox.jsonl"
    inbox = Inbox(path, keep=keep)
    for number in range(9):
        take(inbox, number)
    inbox.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_waiting_returns_what_came_before_and_after(inbox):
    take(inbox, 1)
    waiting = asyncio.create_task(inbox.emails.wait_for(2, matching=lambda email: email.recipient == "b@example.com"))
    other = asyncio.create_task(inbox.emails.wait_for(3))
    await other_tasks()
    take(inbox, 2, "c@example.com")
    take(inbox, 3)
    assert [email.id for email in await waiting] == [1, 3]
    assert len(await other) == 3


async def test_waiting_in_vain_says_what_was_there(inbox):
    take(inbox, 1)
    with pytest.raises(TimeoutError, match="1 of 2 messages"):
        await inbox.emails.wait_for(2, within=0.01)


def test_messages_after_an_id_are_in_order(inbox):
    for number in range(4):
        take(inbox, number)
    assert [email.id for email in inbox.emails.after(2)] == [3, 4]


def test_arrival_times_carry_their_zone(inbox):
    take(inbox, 1)
    [email] = inbox.emails
    assert abs((datetime.now(UTC) - email.received_at).total_seconds()) < 10
