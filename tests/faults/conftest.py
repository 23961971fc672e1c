"""One lab for all faults; a table at the end."""

import os
from collections.abc import Iterator

import pytest

from tests.faults import books
from tests.faults.lab import Lab


@pytest.fixture(scope="session")
def started_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    if not {"CI", "FAULTS"} & os.environ.keys():
        pytest.skip("faults are made on real servers: make faults")
    folder = tmp_path_factory.mktemp("faults")
    for part in (folder, *list(folder.parents)[:2]):
        part.chmod(0o755)  # PostgreSQL's own user has to get to its folder inside
    lab = Lab(folder)
    try:
        lab.start()
        yield lab
    finally:
        lab.stop()


@pytest.fixture
def lab(started_lab: Lab) -> Iterator[Lab]:
    yield started_lab
    started_lab.heal()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if books.TABLE:
        terminalreporter.section("faults")
        for line in books.printed(books.TABLE):
            terminalreporter.write_line(line)
