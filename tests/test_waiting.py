"""Tests wait as `testkit.eventually` does: for a condition, with a deadline. None sleeps by itself."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.eventually import remains, stays

ROOT = Path(__file__).resolve().parents[1]
TESTKIT = ROOT / "libs" / "testkit"
THE_ONE = TESTKIT / "testkit" / "eventually.py"
OTHERS_CODE = {"node_modules", ".venv"}
SLEEPERS = {"asyncio", "time"}


def _sources() -> list[Path]:
    folders = [ROOT / "tests", TESTKIT, *ROOT.glob("*/tests"), *ROOT.glob("libs/*/tests")]
    found = [path for folder in folders for path in folder.rglob("*.py")]
    return [path for path in (ROOT / "conftest.py", *found) if not OTHERS_CODE & set(path.parts)]


def _sleeps(source: str) -> Iterator[int]:
    """The lines that name a sleep of the standard library, whether they call it or hand it on."""
    nodes = list(ast.walk(ast.parse(source)))
    imported = [alias for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    modules = {alias.asname or alias.name for alias in imported if alias.name in SLEEPERS}
    for node in nodes:
        match node:
            case ast.Attribute(value=ast.Name(id=module), attr="sleep") if module in modules:
                yield node.lineno
            case ast.ImportFrom(module=module, names=names) if module in SLEEPERS:
                yield from (node.lineno for alias in names if alias.name == "sleep")


def test_no_test_sleeps_by_itself() -> None:
    sources = _sources()
    assert THE_ONE in sources
    found = {str(path.relative_to(ROOT)): list(_sleeps(path.read_text())) for path in sources if path != THE_ONE}
    assert {path: lines for path, lines in found.items() if lines} == {}, "wait as testkit.eventually does"


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("import asyncio\nawait asyncio.sleep(0)", [2]),
        ("import time\nloop.call_later(1, time.sleep, 1)", [2]),
        ("import time as clock\nclock.sleep(1)", [2]),
        ("from time import monotonic, sleep", [1]),
        ("code = 'import time; time.sleep(1)'", []),
        ("import time\ntime.monotonic()", []),
    ],
)
def test_a_sleep_is_seen(source: str, lines: list[int]) -> None:
    assert list(_sleeps(source)) == lines


async def test_what_changes_did_not_stay_and_the_value_is_told() -> None:
    seen = iter([1, 1, 2])
    with pytest.raises(AssertionError, match="so: 2 after"):
        await stays(lambda: next(seen), 5, holds=lambda value: value == 1, every=0)
    seen = iter([1, 1, 2])
    with pytest.raises(AssertionError, match="so: 2 after"):
        remains(lambda: next(seen), 5, holds=lambda value: value == 1, every=0)


async def test_what_stays_is_looked_at_when_its_time_is_over_too() -> None:
    looks: list[None] = []
    await stays(lambda: looks.append(None) or True, 0.01, every=0.02)
    remains(lambda: looks.append(None) or True, 0.01, every=0.02)
    assert len(looks) == 4
