"""A run that grows is told from one that breathes."""

import os

import pytest

from tests.soak.memory import Trend, resident, trends


def test_the_start_of_a_run_does_not_count() -> None:
    warming = [10.0, 40.0, 50.0, 50.0, 50.0, 50.0, 50.0, 51.0]

    assert trends({"api-gateway": warming}) == [Trend("api-gateway", early=50.0, late=50.5)]


def test_a_leak_is_seen() -> None:
    (trend,) = trends({"push-service": [float(reading) for reading in range(100, 200)]})

    assert trend.growth == pytest.approx(50.0, abs=2)


def test_a_process_holds_what_the_kernel_says() -> None:
    assert 10 < resident(os.getpid()) < 4096


def test_a_process_that_has_ended_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        resident(2**22 + 1)
