"""Several processes of tests are as strict as one."""

import tomllib
from pathlib import Path

import pytest

from tests.side_by_side import NOTHING_COLLECTED, PARTS, ROOT, broken, run, with_redis_of_its_own, worst


@pytest.mark.parametrize(
    ("statuses", "result"),
    [
        ((0, 0), 0),
        ((0, 1), 1),
        ((2, 1), 2),
        ((0, -9), 9),
        ((0, 0, 1), 1),
        ((NOTHING_COLLECTED, 0), 0),
        ((1, NOTHING_COLLECTED), 1),
        ((NOTHING_COLLECTED, NOTHING_COLLECTED), NOTHING_COLLECTED),
    ],
)
def test_whatever_fails_in_any_fails_the_run(statuses: tuple[int, int], result: int) -> None:
    assert worst(*statuses) == result


def test_together_they_are_everything_that_pytest_collects_by_itself() -> None:
    everything = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["testpaths"]
    arguments = [argument for part in PARTS for argument in part]
    left_out = {one.removeprefix("--ignore=") for one in arguments if one.startswith("--ignore=")}
    folders = {one for one in arguments if not one.startswith("--ignore=")}
    assert left_out <= folders, "another process runs what one leaves out"
    assert sorted(folders - left_out) == sorted(everything)


def test_none_empties_another_s_redis() -> None:
    changed = with_redis_of_its_own({"TEST_REDIS_URL": "redis://127.0.0.1:6400/0", "HOME": "/home/x"}, 1)
    assert changed == {"TEST_REDIS_URL": "redis://127.0.0.1:6400/1", "HOME": "/home/x"}
    assert with_redis_of_its_own({"HOME": "/home/x"}, 1) == {"HOME": "/home/x"}


def test_a_path_is_run_alone(capfd: pytest.CaptureFixture[str]) -> None:
    assert run([f"{__file__}::test_whatever_fails_in_any_fails_the_run", "-q", "-p", "no:cacheprovider"]) == 0
    assert "8 passed" in capfd.readouterr().out


def test_what_failed_is_named_at_the_end_of_the_log(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    failed = (
        """<testcase classname="tests.test_one" name="bad"><failure message="ValueError: no&#10;more"/></testcase>"""
    )
    broke = """<testcase classname="tests.test_one" name="test_open"><error message="failed on setup"/></testcase>"""
    passed = """<testcase classname="tests.test_one" name="test_good"/>"""
    report.write_text(f"<testsuites><testsuite>{passed}{failed}{broke}</testsuite></testsuites>")
    assert broken(report) == [
        "FAILURE tests.test_one::bad: ValueError: no more",
        "ERROR tests.test_one::test_open: failed on setup",
    ]
