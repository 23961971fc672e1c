"""`python -m tests.side_by_side [pytest's options]`: every test, in two processes at once.

The whole system under faults waits most of its time, for leases and for silence; the others compute. One after the other
they take half as long again. With a path among the options there is one process, for that alone.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SYSTEM = ("tests/e2e", "tests/faults")
NOTHING_COLLECTED = 5  # pytest's exit status


def run(options: Sequence[str]) -> int:
    """The worse of the two exit statuses. What the system's tests said comes after what the others say."""
    if any(Path(option.partition("::")[0]).exists() for option in options):
        return subprocess.run(_pytest(options), check=False).returncode
    with tempfile.TemporaryFile() as said:
        system = subprocess.Popen(_pytest([*SYSTEM, "-p", "no:cacheprovider", *options]), stdout=said, stderr=said)
        try:
            others = subprocess.run(_pytest([f"--ignore={folder}" for folder in SYSTEM] + [*options]), check=False)
        except BaseException:
            system.terminate()
            raise
        finally:
            system.wait()
            said.seek(0)
            sys.stdout.write(said.read().decode(errors="replace"))
    return worse(others.returncode, system.returncode)


def worse(*statuses: int) -> int:
    """A process that was killed has a negative status. A filter may leave one of the two without a test, not both."""
    told = [abs(status) for status in statuses if status != NOTHING_COLLECTED]
    return max(told, default=NOTHING_COLLECTED)


def _pytest(options: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "pytest", *options]


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
