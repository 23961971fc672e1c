"""Programs that are not there are told at once and in one line, before minutes of work go by."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("module", "missing"),
    [
        ("bench", {"redis-server", "rabbitmq-server", "wrk"}),
        ("bench --cases accept_batch", {"redis-server", "rabbitmq-server", "wrk"}),
        ("bench --cases memory,growth", {"redis-server", "rabbitmq-server"}),
        ("tests.chaos", {"redis-server", "rabbitmq-server"}),
        ("tests.soak", {"redis-server", "rabbitmq-server"}),
    ],
)
def test_missing_programs_are_one_line_with_their_packages(module: str, missing: set[str], tmp_path: Path) -> None:
    """PostgreSQL and RabbitMQ are found in Debian's own folders, too, where they are installed."""
    done = subprocess.run(
        [sys.executable, "-m", *module.split()],
        cwd=ROOT, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    programs, packages = done.stderr.removeprefix("Not found: ").split(". On Debian: apt-get install ")
    elsewhere = {"postgres", "postgresql", "rabbitmq-server"}
    assert set(programs.split(", ")) - elsewhere == missing - elsewhere
    assert set(packages.split()) - elsewhere == missing - elsewhere
