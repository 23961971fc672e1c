"""The result file says everything a comparison needs, and a loss is never a success."""

import json
from pathlib import Path

import pytest

from bench import results
from bench.checks import Balance, balance
from bench.costs import per_notification
from bench.results import Result, Target, at_least, at_most
from bench.table import HEADINGS, number, table

FIELDS = {
    "value", "unit", "baseline", "ratio", "percentiles", "cpu_ms_per_notification", "lost", "duplicated", "target", "met",
    "more",
}  # fmt: skip


def test_a_case_has_every_field_whether_it_has_a_baseline_or_not() -> None:
    assert Result(1.0, "x/s").as_json().keys() == FIELDS
    assert Result(1.0, "x/s", 2.0, 0.5).as_json()["ratio"] == 0.5
    assert results.failed(RuntimeError("broken")).keys() == FIELDS
    assert results.failed(RuntimeError("broken"))["met"] is False


@pytest.mark.parametrize("counted", [Balance(1, 0), Balance(0, 1)])
def test_what_was_lost_or_duplicated_misses_its_target_however_fast(counted: Balance) -> None:
    good = at_least(1000, 700, "rate")
    assert Result(1000, "x/s", target=good).as_json()["met"] is True
    assert Result(1000, "x/s", target=good, balance=counted).as_json()["met"] is False


def test_targets_are_met_together_or_not_at_all() -> None:
    assert (at_least(2, 1, "a") & at_most(1, 2, "b")) == Target("a ≥ 1; b ≤ 2", True)
    assert (at_least(2, 1, "a") & at_most(3, 2, "b")).met is False
    assert (Target() & at_least(2, 1, "a")).met is True
    assert (Target() & Target()).met is None


def test_the_file_holds_machine_start_and_cases(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "latest.json"
    results.write(path, results.machine(), "2026-01-01T00:00:00+00:00", {"one": Result(1.0, "x/s").as_json()})
    written = json.loads(path.read_text())
    assert written.keys() == {"machine", "started_at", "cases"}
    assert {"cpus", "model", "python"} <= written["machine"].keys()
    assert written["machine"]["cpus"] >= 1
    assert written["cases"]["one"]["value"] == 1.0


def test_the_table_has_a_line_a_case_and_its_columns_are_straight() -> None:
    cases = {"one": Result(1234.5, "x/s", 1000, 1.2345, target=at_least(1, 2, "ratio")).as_json(),
             "a_longer_name": Result(0.5, "ms").as_json()}  # fmt: skip
    heading, first, second = table(cases).splitlines()
    assert heading.split()[0] == HEADINGS[0]
    assert "1,234" in first
    assert "NO" in first
    assert second.startswith("a_longer_name")
    assert heading.index("unit") == first.index("x/s") == second.index("ms")


@pytest.mark.parametrize(("value", "shown"), [(None, "–"), (1234.5, "1,234"), (99.95, "100"), (0.01234, "0.0123")])
def test_numbers_are_shown_with_the_figures_that_matter(value: float | None, shown: str) -> None:
    assert number(value) == shown


def test_books_count_what_is_missing_duplicated_or_strange() -> None:
    assert balance(["a", "b", "c"], ["b", "a", "c"]) == Balance(0, 0)
    assert balance(["a", "b"], ["a"]) == Balance(1, 0)
    assert balance(["a"], ["a", "a", "a"]) == Balance(0, 2)
    assert balance(["a"], ["a", "x"]) == Balance(0, 1)


def test_costs_are_differences_a_notification_and_services_are_ours_alone() -> None:
    before = {"api-gateway": 1.0, "redis": 0.5}
    after = {"api-gateway": 2.0, "redis": 1.5, "email-service-2": 1.0, "smtp sink": 0.5}
    costs = per_notification(before, after, 1000, load_seconds=0.25)
    assert costs["api-gateway"] == 1.0
    assert costs["services"] == 2.0  # the gateway and the second worker
    assert costs["all"] == pytest.approx(1.0 + 1.0 + 1.0 + 0.5 + 0.25)
    assert costs["load generator"] == 0.25
