"""A long list leaves through the gateway as a file: every entry, in memory that does not grow with the list."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.lab import Lab

ROWS = 100_000
MASKED = "b***@bulk.example"
FILL = f"""INSERT INTO email_suppressions (fingerprint, masked, reason)
SELECT encode(sha256(n::text::bytea), 'hex'), '{MASKED}', 'bounced' FROM generate_series(1, {ROWS}) AS n"""
MAX_GROWTH = 20.0  # mebibytes. Holding all pages takes 120.


@pytest.fixture
def filled(started_lab: Lab) -> Iterator[Lab]:
    started_lab.sql("email-service", FILL)
    yield started_lab
    started_lab.sql("email-service", f"DELETE FROM email_suppressions WHERE masked = '{MASKED}'")


def peak(pid: int) -> float:
    """The most memory in mebibytes that the process has held since the last `forget_peak`."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024


def forget_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def test_a_hundred_thousand_entries_are_exported_and_no_process_holds_them_all(filled: Lab) -> None:
    system = filled.system
    pids = {name: system.processes[name].process.pid for name in ("api-gateway", "email-service")}
    before = {}
    for name, pid in pids.items():
        forget_peak(pid)
        before[name] = peak(pid)
    answer = system.http.get(f"{system.gateway}/api/v1/suppressions/export")
    growth = {name: peak(pid) - before[name] for name, pid in pids.items()}
    head, *rows = answer.text.splitlines()
    assert head == "fingerprint,masked,reason,origin,created_at"
    exported = [row.partition(",")[0] for row in rows]
    assert exported == sorted(set(exported))
    assert Counter(row.split(",")[1] for row in rows)[MASKED] == ROWS
    assert all(grown < MAX_GROWTH for grown in growth.values()), growth
