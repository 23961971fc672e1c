"""One running system, on servers of its own, for everything that needs all of it: end to end, and faults."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.lab import Lab

# The last that use the running system: one leaves ten thousand rows, the other leaves anything.
LAST = ("", "test_command_line_thousands.py", "test_documents_hold.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs the running system comes after all other tests, so that it does not run beside them."""

    def place(item: pytest.Item) -> tuple[bool, int]:
        uses_it = "started_lab" in getattr(item, "fixturenames", ())
        return uses_it, LAST.index(item.path.name) if uses_it and item.path.name in LAST else 0

    items.sort(key=place)


@pytest.fixture(scope="session")
def started_lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """In the end every process must end well on SIGTERM.

    Its folder is not one of pytest's: those are closed to PostgreSQL's own user whenever another run of pytest begins.
    """
    if not {"CI", "FAULTS"} & os.environ.keys():
        pytest.skip("the whole system needs real servers: make faults, or CI=true make test")
    folder = Path(tempfile.mkdtemp(prefix="system-"))
    folder.chmod(0o755)
    lab = Lab(folder)
    try:
        lab.start()
        yield lab
        statuses = lab.system.stop()
        assert set(statuses.values()) == {0}, f"a service did not end well on SIGTERM: {statuses} (see {folder})"
    finally:
        lab.stop()
    if not request.session.testsfailed:
        shutil.rmtree(folder)
