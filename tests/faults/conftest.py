"""A healthy system for each fault, and a table at the end."""

from collections.abc import Iterator

import pytest

from tests.faults import checks
from tests.faults.lab import Lab


@pytest.fixture
def lab(started_lab: Lab) -> Iterator[Lab]:
    yield started_lab
    started_lab.heal()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if checks.TABLE:
        terminalreporter.section("faults")
        for line in checks.printed(checks.TABLE):
            terminalreporter.write_line(line)
