"""`python -m tests.side_by_side [pytest's options]`: every test, in two processes at once.

What crosses services is one half: under faults it waits most of its time, for leases and for silence. The services' own
tests compute. One after the other they take half as long again. With a path among the options there is one process, for
that alone.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CROSSING = "tests"
SERVICES = ("libs", "api-gateway", "user-service", "template-service", "email-service", "push-service", "devstack")
NOTHING_COLLECTED = 5  # pytest's exit status


def run(options: Sequence[str]) -> int:
    """The worse of the two exit statuses. What the crossing tests said comes after what the services' say."""
    if any(Path(option.partition("::")[0]).exists() for option in options):
        return subprocess.run(_pytest(options), check=False).returncode
    with tempfile.TemporaryFile() as said:
        crossing = subprocess.Popen(
            _pytest([CROSSING, "-p", "no:cacheprovider", *options]),
            env=with_redis_of_its_own(os.environ),
            stdout=said,
            stderr=said,
        )
        try:
            services = subprocess.run(_pytest([*SERVICES, *options]), check=False)
        except BaseException:
            crossing.terminate()
            raise
        finally:
            crossing.wait()
            said.seek(0)
            sys.stdout.write(said.read().decode(errors="replace"))
    return worse(services.returncode, crossing.returncode)


def with_redis_of_its_own(environment: Mapping[str, str]) -> dict[str, str]:
    """The same server's next database: a test that wants an empty Redis empties the one it has."""
    server = environment.get("TEST_REDIS_URL")
    return {**environment, **({"TEST_REDIS_URL": f"{server.rpartition('/')[0]}/1"} if server else {})}


def worse(*statuses: int) -> int:
    """A process that was killed has a negative status. A filter may leave one of the two without a test, not both."""
    told = [abs(status) for status in statuses if status != NOTHING_COLLECTED]
    return max(told, default=NOTHING_COLLECTED)


def _pytest(options: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "pytest", *options]


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
