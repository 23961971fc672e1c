"""Rows are posted in batches, each once; a bad one stops no other."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from notifications import InvalidRequest
from notifications.cli import rows
from notifications.cli.files.csv_file import open_csv
from notifications.cli.files.errors_file import ErrorsFile
from notifications.cli.files.journal import Journal
from notifications.cli.rows import Execution, Item, RowProblem


class Server:
    """Refuses the addresses in `bad`; refuses a batch as a whole if it has more than `limit` items."""

    def __init__(self, bad: Sequence[str] = (), limit: int = 1_000) -> None:
        self.bad, self.limit = bad, limit
        self.accepted: list[str] = []
        self.calls = 0

    def __call__(self, items: Sequence[Item]) -> list[str | None]:
        self.calls += 1
        if len(items) > self.limit:
            raise InvalidRequest("too many", status=422, code="batch_exceeds_rate_limit")
        reasons = [f"bad {item.body['email']}" if item.body["email"] in self.bad else None for item in items]
        self.accepted += [item.id for item, reason in zip(items, reasons, strict=True) if reason is None]
        return reasons


def run_of(path: Path, server: Server) -> Execution:
    file = open_csv(path)

    def prepare(row) -> dict[str, str]:
        if not row.values["email"]:
            raise RowProblem("The column email is empty")
        return dict(row.values)

    with Journal(path.with_suffix(".journal"), "", "here", {}) as journal, ErrorsFile(file) as errors:
        run = Execution(journal, errors, prepare, server)
        run.all(file, lambda _: None)
    return run


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    lines = [f"p{number}@example.com,Person {number}" for number in range(1_203)]
    path.write_text("\n".join(["email,name", *lines]))
    return path


def test_every_row_is_posted_once_and_a_repeat_posts_none(people) -> None:
    server = Server()
    assert str(run_of(people, server).tally) == "1,203 rows: 1,203 accepted"
    assert (len(set(server.accepted)), server.calls) == (1_203, 3)
    assert str(run_of(people, server).tally) == "1,203 rows: 0 accepted, 1,203 accepted before"
    assert len(server.accepted) == 1_203


def test_bad_rows_go_to_a_file_that_can_be_repaired_and_sent(people) -> None:
    with people.open("a") as file:
        file.write("\n,Nobody\nshort\nbad@example.com,=1+1\n")
    server = Server(bad=["bad@example.com"])
    run = run_of(people, server)
    assert (run.tally.accepted, run.tally.refused) == (1_203, 3)
    errors = people.with_name("people.errors.csv")
    assert errors.read_text("utf-8-sig").splitlines() == [
        "email,name,_row,_error",
        ",Nobody,1205,The column email is empty",
        'short,,1206,"The row has 1 values, and there are 2 columns"',
        "bad@example.com,=1+1,1207,bad bad@example.com",
    ]
    assert errors.stat().st_mode & 0o077 == 0
    repaired = run_of(errors, Server())
    assert (repaired.tally.accepted, repaired.tally.refused) == (2, 1)


def test_an_errors_file_of_an_earlier_run_goes_when_nothing_is_refused(people) -> None:
    server = Server(bad=["p7@example.com"])
    run_of(people, server)
    errors = people.with_name("people.errors.csv")
    assert errors.exists()
    server.bad = ()
    assert str(run_of(people, server).tally) == "1,203 rows: 1 accepted, 1,202 accepted before"
    assert not errors.exists()


def test_rows_that_are_equal_are_different_notifications_and_the_same_ones_in_a_repeat(tmp_path) -> None:
    path = tmp_path / "twice.csv"
    path.write_text("email\na@example.com\na@example.com\n")
    server = Server()
    run_of(path, server)
    assert len(set(server.accepted)) == 2
    path.with_suffix(".journal").unlink()
    run_of(path, server)
    assert server.accepted[2:] == server.accepted[:2]


def test_a_batch_that_is_too_large_for_the_server_is_halved(people) -> None:
    server = Server(limit=100, bad=["p9@example.com"])
    assert (run_of(people, server).tally.accepted, len(set(server.accepted))) == (1_202, 1_202)


def test_batches_are_bounded_in_bytes_too(people, monkeypatch) -> None:
    monkeypatch.setattr(rows, "MAX_BATCH_BYTES", 20_000)
    server = Server()
    run_of(people, server)
    assert server.calls > 3
    assert len(set(server.accepted)) == 1_203
