"""One running system, on servers of its own, for everything that needs all of it: end to end, and faults."""

import os
from collections.abc import Iterator

import pytest

from tests.faults.lab import Lab


@pytest.fixture(scope="session")
def started_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """In the end every process must end well on SIGTERM."""
    if not {"CI", "FAULTS"} & os.environ.keys():
        pytest.skip("the whole system needs real servers: make faults, or CI=true make test")
    folder = tmp_path_factory.mktemp("system")
    for part in (folder, *list(folder.parents)[:2]):
        part.chmod(0o755)  # PostgreSQL's own user has to get to its folder inside
    lab = Lab(folder)
    try:
        lab.start()
        yield lab
        statuses = lab.system.stop()
        assert set(statuses.values()) == {0}, f"a service did not end well on SIGTERM: {statuses} (see {folder})"
    finally:
        lab.stop()
