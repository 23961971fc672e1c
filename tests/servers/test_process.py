"""Programs that are not there are told at once and in one line, before minutes of work go by."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("module", "package"), [("bench", "wrk"), ("tests.chaos", "redis-server"), ("tests.soak", "redis-server")]
)
def test_a_missing_program_is_one_line_with_its_package(module: str, package: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module],
        cwd=ROOT, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert package in done.stderr
    assert done.stderr.count("\n") == 1
