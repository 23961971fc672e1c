"""`python -m tests.side_by_side [pytest's options]`: every test, in four processes at once.

Tests wait more than they compute: for leases, for silence, for servers. One part after the other they take twice as long.
With a path among the options there is one process, for that alone.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from xml.etree import ElementTree as ET

from chassis.server.commands import plain_end

ROOT = Path(__file__).resolve().parents[1]
PARTS = (
    ("libs", "api-gateway"),
    ("user-service", "template-service", "email-service"),
    ("tests", "--ignore=tests/faults"),  # what crosses services
    ("tests/faults", "clients", "console", "devstack", "push-service"),
)
NOTHING_COLLECTED = 5  # pytest's exit status


def run(options: Sequence[str]) -> int:
    """The worst of the exit statuses. What the other parts said comes after what the first says as it runs;
    at the end every part's failures are named once more, for a long log is read from its end.
    """
    if any(Path(option.partition("::")[0]).exists() for option in options):
        return subprocess.run(_pytest(options), check=False).returncode
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        others = []
        for number, part in enumerate(PARTS[1:], start=1):
            said = stack.enter_context(tempfile.TemporaryFile())
            command = _pytest([*part, "-p", "no:cacheprovider", *options, f"--junitxml={folder / str(number)}.xml"])
            environment = with_redis_of_its_own(os.environ, number)
            others.append((subprocess.Popen(command, env=environment, stdout=said, stderr=said), said))
        try:
            first = subprocess.run(_pytest([*PARTS[0], *options, f"--junitxml={folder / '0.xml'}"]), check=False)
        except BaseException:
            for process, _ in others:
                process.terminate()
            raise
        finally:
            for process, said in others:
                process.wait()
                said.seek(0)
                sys.stdout.write(said.read().decode(errors="replace"))
        sys.stdout.write("".join(f"{line}\n" for report in sorted(folder.glob("*.xml")) for line in broken(report)))
    return worst(first.returncode, *(process.returncode for process, _ in others))


def broken(report: Path) -> list[str]:
    """The tests that failed or broke, out of one part's JUnit report: a line each, with the reason on that line."""
    return [
        f"{result.tag.upper()} {case.get('classname')}::{case.get('name')}: {' '.join(result.get('message', '').split())}"
        for case in ET.parse(report).iter("testcase")
        for result in case
        if result.tag in {"failure", "error"}
    ]


def with_redis_of_its_own(environment: Mapping[str, str], number: int) -> dict[str, str]:
    """Another database of the same server: a test that wants an empty Redis empties the one it has."""
    server = environment.get("TEST_REDIS_URL")
    return {**environment, **({"TEST_REDIS_URL": f"{server.rpartition('/')[0]}/{number}"} if server else {})}


def worst(*statuses: int) -> int:
    """A process that was killed has a negative status. A filter may leave some of them without a test, not all."""
    told = [abs(status) for status in statuses if status != NOTHING_COLLECTED]
    return max(told, default=NOTHING_COLLECTED)


def _pytest(options: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "pytest", *options]


if __name__ == "__main__":
    with plain_end():
        sys.exit(run(sys.argv[1:]))
