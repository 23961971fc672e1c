"""The running system, as its users have it."""

import pytest

from testkit.system import System
from tests.faults.lab import Lab


@pytest.fixture
def system(started_lab: Lab) -> System:
    return started_lab.system


@pytest.fixture
def user(started_lab: Lab) -> str:
    """A new user, unknown to every cache."""
    return started_lab.user()
