"""A healthy system for each fault, and a table at the end."""

import os
from collections.abc import Iterator

import pytest

from testkit.servers.process import require_servers
from tests.faults import checks
from tests.faults.lab import Lab


def pytest_configure() -> None:
    """`make faults` ends at once, not after a quarter of an hour, if a program is missing."""
    if os.environ.get("FAULTS") == "yes":
        try:
            require_servers(faketime="faketime")
        except SystemExit as missing:
            pytest.exit(str(missing), returncode=1)


@pytest.fixture
def lab(started_lab: Lab) -> Iterator[Lab]:
    yield started_lab
    started_lab.heal()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if checks.TABLE:
        terminalreporter.section("faults")
        for line in checks.printed(checks.TABLE):
            terminalreporter.write_line(line)
