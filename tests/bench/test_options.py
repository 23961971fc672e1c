"""The command line offers what the README explains."""

import inspect
import re
from pathlib import Path

import pytest

from bench import __main__ as bench
from bench.cases import CASES, programs
from bench.cases.slow_smtp import steady_rate

README = Path(bench.__file__).with_name("README.md")


def test_the_readme_explains_every_case_and_no_other() -> None:
    rows = [line.split("|")[1] for line in README.read_text().splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(CASES)


def test_options_name_cases_seconds_and_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    switches = ["--quick", "--encrypted", "--console"]
    given = ["bench", *switches, "--cases", "growth,memory", "--rows", "10_000,20000", "--seconds", "3"]
    monkeypatch.setattr("sys.argv", given)
    options = bench.parse()
    assert (options.cases, options.rows, options.seconds) == (["growth", "memory"], (10_000, 20_000), 3.0)
    assert (options.quick, options.encrypted, options.console) == (True, True, True)
    assert options.out == bench.LATEST


def test_an_unknown_case_is_refused_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["bench", "--cases", "accept_single,warp"])
    with pytest.raises(SystemExit):
        bench.parse()
    assert "no such case: warp" in capsys.readouterr().err


@pytest.mark.parametrize("name", CASES)
def test_a_case_is_known_to_need_wrk_exactly_when_it_runs_it(name: str) -> None:
    """Directly, or by asking for the bare endpoint's rate; or by what it borrows from another case."""
    case = CASES[name]
    module = inspect.getmodule(case if inspect.isfunction(case) else type(case))
    named = [(one, inspect.getmodule(one)) for one in vars(module).values() if callable(one) or inspect.ismodule(one)]
    ours = [module, *(one for one, home in named if home and home.__name__.startswith("bench.cases."))]
    runs_it = any(re.search(r"run\.(wrk|bare_rate|scaled)\(", inspect.getsource(one)) for one in ours)
    assert programs([name]) == ({"wrk": "wrk"} if runs_it else {})


def test_a_steady_rate_leaves_start_and_end_out() -> None:
    moments = [0.0, 5.0, *(5.0 + number / 100 for number in range(1, 100)), 20.0]
    assert steady_rate(moments) == pytest.approx(100)
