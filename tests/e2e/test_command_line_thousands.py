"""`notify import` and `notify send-csv` with ten thousand rows at a terminal, killed and interrupted in the middle."""

import json
import os
import pty
import re
import signal
import subprocess
import threading
from collections import Counter
from pathlib import Path
from uuid import uuid4

import pytest

from testkit.eventually import wait_until
from tests.e2e.notify_command import AT_A_TERMINAL, COMMAND, NotifyCommand, notify_command
from tests.faults.lab import Lab

ROWS, BAD = 10_000, 3
SEND = ("send-csv", "orders.csv", "--template", "welcome", "--var", "link=https://example.com/x", "--yes")
IMPORT = ("import", "people.csv", "--yes")
DONE = re.compile(r"(\d+)/\d+")  # the number beside the bar
MAILED = "SELECT notification_id::text AS id, count(*) AS rows, min(state) AS state FROM email_deliveries GROUP BY 1"


class AtATerminal:
    """A running `notify` whose standard error is a terminal. `shown` is what it wrote there."""

    def __init__(self, notify: NotifyCommand, *arguments: str) -> None:
        ours, its = pty.openpty()
        self._terminal = ours
        self._written = bytearray()
        self.process = subprocess.Popen(
            [*AT_A_TERMINAL, *COMMAND, *arguments], cwd=notify.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=its, text=True, start_new_session=True,
            env={**notify.env, "TERM": "xterm", "COLUMNS": "80"},
        )  # fmt: skip
        os.close(its)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def shown(self) -> str:
        return self._written.decode(errors="replace")

    @property
    def done(self) -> int:
        return max((int(number) for number in DONE.findall(self.shown)), default=0)

    def stop(self, how: signal.Signals, *, after: int) -> str:
        """Sends the signal as soon as so many rows are done. Returns what was shown."""
        wait_until(lambda: self.done >= after or self.process.poll() is not None, 120, f"{after} rows", every=0.01)
        self.process.send_signal(how)
        self.end()
        assert self.done < ROWS + BAD, "it was not in the middle"
        return self.shown

    def end(self) -> str:
        """What it wrote to its standard output."""
        out, _ = self.process.communicate(timeout=180)
        self._reader.join(10)
        assert "Traceback" not in self.shown
        return out

    def _read(self) -> None:
        try:
            while found := os.read(self._terminal, 65_536):
                self._written += found
        except OSError:  # the other end is closed
            pass
        os.close(self._terminal)


@pytest.fixture
def notify(started_lab: Lab, tmp_path: Path) -> NotifyCommand:
    return notify_command(started_lab.system, tmp_path)


def contacts(notify: NotifyCommand) -> list[str]:
    """Their external ids. The file has three more rows, without an address."""
    mark = uuid4().hex[:8]
    names = [f"customer-{mark}-{number}" for number in range(ROWS)]
    rows = [f"{name},{name}@example.com,Person {number}" for number, name in enumerate(names)]
    rows[ROWS // 2 : ROWS // 2] = [f"nobody-{mark}-{number},,Nobody" for number in range(BAD)]
    (notify.folder / "people.csv").write_text("\n".join(["external_id,email,name", *rows, ""]))
    return names


def orders(notify: NotifyCommand, names: list[str]) -> None:
    """One for each contact, and three for contacts that there are not."""
    strangers = [f"stranger-{number}" for number in range(BAD)]
    rows = [f"{name};Person {number}" for number, name in enumerate([*names[:5], *strangers, *names[5:]])]
    (notify.folder / "orders.csv").write_text("\r\n".join(["external_id;name", *rows, ""]), encoding="utf-8-sig")


def test_ten_thousand_contacts_are_imported_and_each_gets_one_mail(started_lab: Lab, notify: NotifyCommand) -> None:
    names = contacts(notify)
    AtATerminal(notify, *IMPORT).stop(signal.SIGKILL, after=2_000)
    shown = AtATerminal(notify, *IMPORT).stop(signal.SIGINT, after=6_000)
    assert re.search(r"Interrupted. [\d,]+ of 10,003 rows are accepted. Run the same command again to go on\b", shown)
    assert totals(notify, *IMPORT)["already"] >= 5_000
    assert len(refused(notify, "people")) == BAD
    orders(notify, names)
    AtATerminal(notify, *SEND).stop(signal.SIGKILL, after=2_000)
    assert "to go on: none is sent twice" in AtATerminal(notify, *SEND).stop(signal.SIGINT, after=6_000)
    assert totals(notify, *SEND)["already"] >= 5_000
    assert len(refused(notify, "orders")) == BAD
    every_row_became_one_mail(started_lab, notify)


def totals(notify: NotifyCommand, *command: str) -> dict[str, int]:
    """Of the command that carries out what is left."""
    last = AtATerminal(notify, *command, "--json")
    found: dict[str, int] = json.loads(last.end())
    assert last.process.returncode == 1, "some rows were refused"
    assert f"{ROWS + BAD}/{ROWS + BAD}" in last.shown
    assert (found["rows"], found["refused"], found["accepted"] + found["already"]) == (ROWS + BAD, BAD, ROWS)
    return found


def refused(notify: NotifyCommand, name: str) -> list[str]:
    return (notify.folder / f"{name}.errors.csv").read_text("utf-8-sig").splitlines()[1:]


def every_row_became_one_mail(lab: Lab, notify: NotifyCommand) -> None:
    """By the gateway's table, the worker's ledger and the inbox of the simulator."""
    journal = (notify.folder / "orders.csv.notify-journal").read_text().splitlines()
    rows = {key for line in journal for key in json.loads(line).get("done", ())}
    assert len(rows) == ROWS
    accepted = lab.sql(
        "api-gateway", "SELECT id::text, request_id FROM notifications WHERE request_id = ANY($1)", [*rows]
    )
    assert {row["request_id"] for row in accepted} == rows
    ids = [row["id"] for row in accepted]
    assert Counter(lab.until_ended(ids, 180).values()) == {"sent": ROWS}
    ledger = {row["id"]: (row["rows"], row["state"]) for row in lab.sql("email-service", MAILED)}
    assert Counter(ledger[one] for one in ids) == {(1, "sent"): ROWS}
    copies = Counter(lab.system.arrivals("email"))
    assert Counter(copies[one] for one in ids) == {1: ROWS}
