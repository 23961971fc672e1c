"""A healthy system for each fault, and a table at the end."""

from collections.abc import Iterator

import pytest

from tests.faults import books
from tests.faults.lab import Lab


@pytest.fixture
def lab(started_lab: Lab) -> Iterator[Lab]:
    yield started_lab
    started_lab.heal()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if books.TABLE:
        terminalreporter.section("faults")
        for line in books.printed(books.TABLE):
            terminalreporter.write_line(line)
