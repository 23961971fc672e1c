"""`make fuzz`: every operation of every service's document, tried with inputs that schemathesis makes.

ARGS='--examples 200 --seed 7 --services user-service'. Twenty minutes on two cores.
"""

import argparse
import signal
import sys
import time

from chassis.server.commands import plain_end
from testkit.servers.folder import server_folder
from testkit.servers.process import require_servers
from testkit.system import MODULES
from tests.faults.lab import Lab
from tests.fuzzing.runs import SETTINGS, callers, run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=200, help="inputs an operation")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--services", nargs="+", choices=MODULES, default=list(MODULES))
    options = parser.parse_args()
    require_servers()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    failed = False
    with server_folder("fuzzing-") as folder:
        lab = Lab(folder, settings=SETTINGS)
        try:
            lab.start()
            for caller in callers(lab):
                for service in options.services:
                    began = time.monotonic()
                    found = run(lab, service, caller, ["-n", str(options.examples), "--seed", str(options.seed)])
                    failed = failed or found is not None
                    seconds = time.monotonic() - began
                    print(f"{service} as {caller.name}: {found or 'holds'} ({seconds:.0f} s)", flush=True)
        finally:
            lab.stop()
    return 1 if failed else 0


if __name__ == "__main__":
    with plain_end():
        sys.exit(main())
