"""`notify send-csv` and `notify import`: thousands of rows, each once, whatever happens in the middle."""

import json
import signal
from collections import Counter
from pathlib import Path
from uuid import uuid4

import pytest

from testkit.eventually import wait_until
from testkit.system import System
from tests.e2e.notify_command import NotifyCommand, notify_command
from tests.faults.lab import Lab

ROWS = 3_000
SEND = ("send-csv", "people.csv", "--template", "welcome", "--var", "link=https://example.com/x", "--yes")


@pytest.fixture
def notify(system: System, tmp_path: Path) -> NotifyCommand:
    return notify_command(system, tmp_path)


@pytest.fixture
def people(notify: NotifyCommand) -> Path:
    """Written by Excel, as it were."""
    path = notify.folder / "people.csv"
    lines = [f"p{number}.{uuid4().hex}@example.com;Person {number}" for number in range(ROWS)]
    path.write_text("\r\n".join(["email;name", *lines, ""]), encoding="utf-8-sig")
    return path


def accepted(lab: Lab) -> dict[str, str]:
    """request_id → notification_id, of the rows of CSV files."""
    rows = lab.sql("api-gateway", "SELECT request_id, id::text FROM notifications WHERE request_id LIKE 'csv-%'")
    return {row["request_id"]: row["id"] for row in rows}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_interrupted_goes_on_and_every_row_is_sent_once(
    started_lab: Lab, notify: NotifyCommand, people: Path, how: signal.Signals
) -> None:
    before = accepted(started_lab).keys()
    journal = people.with_name("people.csv.notify-journal")
    process = notify.start(*SEND)
    wait_until(lambda: journal.exists() and '"done"' in journal.read_text(), 60, "the first batch")
    process.send_signal(how)
    out, err = process.communicate(timeout=30)
    if how == signal.SIGINT:
        assert (process.returncode, out) == (130, "")
        assert "Interrupted." in err
        assert "Run the same command again" in err
        assert "Traceback" not in err
    assert "finished" not in journal.read_text()
    assert len(accepted(started_lab).keys() - before) < ROWS
    done = json.loads(notify(*SEND, "--json").ok().out)
    assert (done["rows"], done["refused"], done["accepted"] + done["already"]) == (ROWS, 0, ROWS)
    assert done["already"] > 0
    sent = {key: value for key, value in accepted(started_lab).items() if key not in before}
    assert len(sent) == ROWS
    started_lab.until_ended(sent.values(), 180)
    copies = Counter(started_lab.system.arrivals("email"))
    assert Counter(copies[key] for key in sent.values()) == {1: ROWS}


def test_a_bad_row_is_set_aside_and_what_is_repaired_is_sent_alone(
    system: System, notify: NotifyCommand, people: Path
) -> None:
    lines = people.read_text("utf-8-sig").splitlines()[:6]
    people.write_text("\n".join([*lines, "nobody;Nobody", ";Empty", "two@example.com;Two;more", "a@example.com;Ada"]))
    done = notify(*SEND)
    assert (done.code, done.out) == (1, "9 rows: 6 accepted, 3 refused\n")
    errors = people.with_name("people.errors.csv")
    assert f"are in {errors.name}" in done.err
    refused = errors.read_text("utf-8-sig").splitlines()
    assert refused[0] == "email;name;_row;_error"
    reasons = {row.split(";")[2]: row.split(";")[3] for row in refused[1:]}
    assert ("to.email" in reasons["7"], "empty" in reasons["8"], "3 values" in reasons["9"]) == (True, True, True)
    people.write_text(people.read_text().replace("nobody;", "somebody@example.com;"))
    assert notify(*SEND).out == "9 rows: 1 accepted, 6 accepted before, 2 refused\n"
    people.with_name("people.csv.notify-journal").unlink()
    again = json.loads(notify(*SEND, "--json").out)
    assert (again["accepted"], again["already"]) == (7, 0)  # by the system's own knowledge no new ones:
    assert len(json.loads(notify("list", "--json", "-n", "100").ok().out)) == 7
    assert "the same options" in notify(*SEND, "--priority", "3").err
    assert notify(*SEND, "--run", "second").out.startswith("9 rows: 7 accepted")


def test_contacts_are_written_and_named_in_send_csv_by_their_own_ids(system: System, notify: NotifyCommand) -> None:
    names = [f"c{number}-{uuid4().hex}" for number in range(4)]
    rows = [f"{name},{name}@example.com,Person,{'no' if name == names[1] else ''}" for name in names]
    bad = [
        f"{names[0]},again@example.com,Again,",
        "x y,x@example.com,X,",
        "ok,no-address,X,",
        "ok2,ok2@example.com,X,maybe",
    ]
    path = notify.folder / "users.csv"
    path.write_text(
        "\n".join(["External ID,E-Mail,Name,preferences.email", *rows, *bad]).replace("E-Mail", "email"), "utf-16"
    )
    done = notify("import", "users.csv", "--yes")
    assert (done.code, done.out) == (1, "8 rows: 4 accepted, 4 refused\n")
    reasons = [
        line.split(",", 4)[-1] for line in (notify.folder / "users.errors.csv").read_text("utf-8-sig").splitlines()[1:]
    ]
    assert [
        "the same external_id" in reasons[0],
        "external_id" in reasons[1],
        "email" in reasons[2],
        "write yes or no" in reasons[3],
    ]
    assert not (notify.folder / "users.csv.notify-import").exists()
    assert notify("import", "users.csv", "--yes").out == done.out  # writes again what others may have changed
    (notify.folder / "people.csv").write_text(
        "\n".join(["external_id,name", *(f"{name},Ada" for name in names), "nobody,X", "no id,X"])
    )
    sent = notify(*SEND)
    assert (sent.code, sent.out) == (1, "6 rows: 4 accepted, 2 refused\n")
    refused = (notify.folder / "people.errors.csv").read_text("utf-8-sig").splitlines()[1:]
    assert ["no contact with the external id nobody" in refused[0], "external_ids" in refused[1]] == [True, True]
    wait_until(lambda: len(notify("list", "--status", "sent").out.splitlines()) == 3, 30, "the mails")
    assert [line.split("\t")[1] for line in notify("list", "--status", "suppressed").out.splitlines()] == ["suppressed"]


@pytest.mark.parametrize(
    ("text", "arguments", "code", "said"),
    [
        ("name\nAda\n", (), 2, "There is none named user_id or external_id or email"),
        ("email,wrong\na@example.com,x\n", (), 2, "needs name: there is no such column, and no --var"),
        ("email,name\na@example.com,x\n", ("--template", "unknown"), 4, "There is no template unknown"),
        ("email,name,email\n", (), 2, "twice"),
        ("", (), 2, "is empty"),
        ('email,name\na@example.com,"x\n', (), 2, "quotation mark"),
    ],
)
def test_what_is_wrong_with_a_whole_file_is_said_before_anything_is_sent(
    notify: NotifyCommand, text, arguments, code, said
) -> None:
    (notify.folder / "people.csv").write_text(text)
    done = notify(*SEND, *arguments)
    assert (done.code, said.casefold() in done.err.casefold()) == (code, True), done.err
    assert notify("list").ok().out == ""
    assert (
        not (notify.folder / "people.csv.notify-journal").exists()
        or not (notify.folder / "people.csv.notify-journal").read_text()
    )


def test_a_dry_run_shows_the_first_rows_and_sends_nothing(notify: NotifyCommand, people: Path) -> None:
    done = notify(*SEND, "--dry-run").ok()
    assert "3,000 rows" in done.err
    assert "The first one says: Hello Person 0" in done.err
    assert notify("list").ok().out == ""
    assert [path.name for path in notify.folder.iterdir() if path.is_file()] == ["people.csv"]


def test_without_a_terminal_nothing_is_sent_unasked(notify: NotifyCommand, people: Path) -> None:
    done = notify(*SEND[:-1])
    assert (done.code, "add --yes" in done.err) == (2, True)
    assert notify("list").ok().out == ""


def test_an_outage_in_the_middle_stops_the_run_and_a_repeat_goes_on(
    started_lab: Lab, notify: NotifyCommand, people: Path
) -> None:
    before = accepted(started_lab).keys()
    journal = people.with_name("people.csv.notify-journal")
    process = notify.start(*SEND)
    wait_until(lambda: journal.exists() and '"done"' in journal.read_text(), 60, "the first batch")
    started_lab.kill("api-gateway")
    try:
        _, err = process.communicate(timeout=90)
    finally:
        started_lab.heal()
    assert (process.returncode, "Run the same command again" in err, "Traceback" in err) == (6, True, False)
    assert json.loads(notify(*SEND, "--json").ok().out)["refused"] == 0
    assert len(accepted(started_lab).keys() - before) == ROWS
