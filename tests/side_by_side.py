"""`python -m tests.side_by_side [pytest's options]`: every test, in four processes at a time.

Tests wait more than they compute: for leases, for silence, for servers. One part after the other they take twice as long.
With a path among the options there is one process, for that alone.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree as ET

from chassis.server.commands import plain_end

ROOT = Path(__file__).resolve().parents[1]
AT_A_TIME = 4
PARTS = (  # begun in this order, the longest first: so none is left for the end that takes long
    ("tests/e2e", "tests/fuzzing"),  # in one running system
    ("tests", "--ignore=tests/e2e", "--ignore=tests/fuzzing", "--ignore=tests/faults"),
    ("api-gateway",),
    ("tests/faults",),
    ("user-service",),
    ("email-service",),
    ("libs",),
    ("console",),
    ("template-service",),
    ("push-service", "devstack", "clients"),
)
NOTHING_COLLECTED = 5  # pytest's exit status


def run(options: Sequence[str]) -> int:
    """The worst of the exit statuses. What the other parts said comes after what the first says as it runs;
    at the end every part's failures are named once more, for a long log is read from its end.
    """
    if any(Path(option.partition("::")[0]).exists() for option in options):
        return subprocess.run(_pytest(options), check=False).returncode
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        statuses = _all_of_them(options, folder)
        sys.stdout.write("".join(f"{line}\n" for report in sorted(folder.glob("*.xml")) for line in broken(report)))
    return worst(*statuses)


def _all_of_them(options: Sequence[str], folder: Path) -> list[int]:
    """Writes each part's report into `folder`."""
    processes: list[subprocess.Popen[bytes]] = []

    def run_part(number: int, part: Sequence[str]) -> int:
        without_cache = ("-p", "no:cacheprovider") if number else ()
        command = _pytest([*part, *without_cache, *options, f"--junitxml={folder / str(number)}.xml"])
        with (folder / f"{number}.log").open("wb") as log:
            said = log if number else None
            process = subprocess.Popen(command, env=with_redis_of_its_own(os.environ, number), stdout=said, stderr=said)
            processes.append(process)
            return process.wait()

    with ThreadPoolExecutor(AT_A_TIME) as threads:
        try:
            statuses = list(threads.map(run_part, range(len(PARTS)), PARTS))
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.terminate()
            raise
        finally:
            for log in sorted(folder.glob("*.log")):
                sys.stdout.write(log.read_text(errors="replace"))
    return statuses


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
