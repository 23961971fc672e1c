"""Fails each test during which a log line held a person's value or a secret."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.leaks.watch import WATCH


def pytest_sessionstart() -> None:
    WATCH.begin()
    for path in os.environ.get("TEST_SERVER_LOGS", "").split(os.pathsep):
        if path:
            WATCH.file(Path(path))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown() -> Generator[None, object, object]:
    """After everything that ends with the test, and its servers with the last."""
    try:
        return (yield)
    finally:
        if leaks := sorted(set(WATCH.leaks())):
            lines = [f"{one.kind} in {one.source}: {one.event} ({one.place})" for one in leaks]
            pytest.fail("\n".join(["log lines hold values:", *lines]), pytrace=False)
