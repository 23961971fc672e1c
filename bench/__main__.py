"""`make bench`: the whole system and its baselines under load, as a table and in `bench/results/latest.json`.

ARGS='--quick --cases accept_single,end_to_end_email'. What each case means: bench/README.md.
"""

import argparse
import signal
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import results
from bench.cases import CASES, programs
from bench.lab import Lab
from bench.run import Options, Run
from bench.table import table
from chassis.server.commands import plain_end
from testkit.servers.folder import server_folder
from testkit.servers.process import require_servers

LATEST = Path(__file__).resolve().parent / "results" / "latest.json"


def main() -> int:
    options = parse()
    results.refuse_unwritable(options.out)
    require_servers(**programs(options.cases))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything that was started is stopped
    facts, started_at = (
        {**results.machine(), "encrypted": options.encrypted, "console": options.console},
        datetime.now(UTC).isoformat(timespec="seconds"),
    )
    done: dict[str, dict[str, Any]] = {}
    with server_folder("bench-", ignore_cleanup_errors=True) as folder:
        lab = Lab(folder, console=options.console)
        if options.encrypted:
            lab.system.encrypt()
        try:
            lab.start()
            run = Run(lab, Options(options.quick, options.seconds, options.rows))
            for case in options.cases:
                done[case] = _outcome(case, run)
                results.write(options.out, facts, started_at, done)  # an interrupted run keeps its results
        finally:
            lab.stop()
    _say(f"\n{table(done)}\n\n{options.out}")
    return 0 if all(case["met"] is not False for case in done.values()) else 1


def _outcome(name: str, run: Run) -> dict[str, Any]:
    """A failed case is a result, too: the other cases still run."""
    _say(f"{datetime.now(UTC):%H:%M:%S} {name} …")
    try:
        found = CASES[name](run).as_json()
        run.lab.check_console()
    except Exception as error:  # noqa: BLE001 - whatever it was stands in the file and in the exit status
        traceback.print_exc()
        found = results.failed(error)
    _say(table({name: found}))
    return found


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__, allow_abbrev=False)
    parser.add_argument("--cases", type=_cases, default=list(CASES), help=f"some of {','.join(CASES)}")
    parser.add_argument(
        "--quick", action="store_true", help="smaller counts, shorter load: for trying, not for figures"
    )
    parser.add_argument("--seconds", type=float, help="of each timed piece of load, instead of the case's own")
    parser.add_argument("--rows", type=_numbers, default=(), help="table sizes of the case `growth`: 10000,1000000")
    parser.add_argument("--encrypted", action="store_true", help="with DATA_ENCRYPTION_KEYS: what encrypting costs")
    parser.add_argument(
        "--console", action="store_true", help="while somebody has the console open: what its pages cost"
    )
    parser.add_argument("--out", type=Path, default=LATEST, help="the file for the results")
    return parser.parse_args()


def _cases(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in CASES]:
        raise argparse.ArgumentTypeError(f"no such case: {', '.join(unknown)}")
    return names


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number.replace("_", "")) for number in text.split(","))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    with plain_end():
        sys.exit(main())
