"""One running system, on servers of its own, for everything that needs all of it: end to end, and faults."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.lab import Lab


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
