"""Percentiles are measured values, by nearest rank."""

import pytest

from bench.percentiles import median, percentile, summary


@pytest.mark.parametrize(("rank", "expected"), [(0, 1), (1, 1), (50, 50), (95, 95), (99, 99), (99.5, 100), (100, 100)])
def test_the_nearest_rank_of_a_hundred_values_is_the_value_of_that_number(rank: float, expected: int) -> None:
    assert percentile(range(1, 101), rank) == expected


def test_one_value_is_every_percentile() -> None:
    assert {percentile([7.0], rank) for rank in (0, 50, 99, 100)} == {7.0}


def test_no_values_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)
    assert summary([]) == {}


def test_a_summary_is_in_milliseconds_and_takes_values_in_any_order() -> None:
    assert summary([0.003, 0.001, 0.002]) == {"p50": 2.0, "p95": 3.0, "p99": 3.0, "max": 3.0, "count": 3.0}


@pytest.mark.parametrize(("values", "middle"), [([3.0, 1.0, 2.0], 2.0), ([1.0, 4.0], 2.5)])
def test_the_median_favours_no_side(values: list[float], middle: float) -> None:
    assert median(values) == middle
