"""`make soak`: steady load on the whole system for a while; then whether any of our processes holds more memory.

ARGS='--seconds 1200 --rate 100'. Production settings; every process reads its memory from /proc.
"""

import argparse
import signal
import sys
import time
from collections import defaultdict

from chassis.http.envelope import pluralize
from chassis.server.commands import plain_end
from testkit.eventually import pause
from testkit.servers.folder import server_folder
from testkit.servers.process import require_servers
from testkit.system import MODULES
from tests.chaos.load import Clients
from tests.faults.lab import QUICK, Lab
from tests.soak.memory import Trend, resident, trends

SETTINGS = {
    name: QUICK[name] for name in ("RATE_LIMIT_PER_MINUTE", "STRANGER_LIMIT_PER_MINUTE", "ACCESS_TOKEN_EXPIRE_MINUTES")
}
EVERY_SECONDS = 5.0
USERS = 200
MAX_GROWTH = 0.05  # of what a process held early in the run; below that is the allocator's breathing
DRAIN_SECONDS = 120.0


def run(lab: Lab, options: argparse.Namespace) -> tuple[list[Trend], int]:
    """The trends, and how many notifications went through meanwhile."""
    users = [lab.user() for _ in range(USERS)]
    clients = Clients([lab.system.gateway], lab.system.http.headers["Authorization"], users, rate=options.rate)
    pids = {name: lab.system.processes[name].process.pid for name in MODULES}
    readings: dict[str, list[float]] = defaultdict(list)
    clients.start()
    deadline = time.monotonic() + options.seconds
    while time.monotonic() < deadline:
        pause(EVERY_SECONDS)
        for name, pid in pids.items():
            readings[name].append(resident(pid))
    clients.end()
    lab.until_ended(clients.accepted, DRAIN_SECONDS)
    lost = [name for name, times in lab.copies().items() if times != 1]
    assert not lost, f"{len(lost)} did not arrive exactly once"
    lab.reconcile()
    return trends(readings), len(clients.accepted)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1200)
    parser.add_argument("--rate", type=float, default=100, help="notifications a second")
    options = parser.parse_args()
    require_servers()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    with server_folder("soak-") as folder:
        lab = Lab(folder, settings=SETTINGS)
        try:
            lab.start()
            found, accepted = run(lab, options)
        finally:
            lab.stop()
    print(f"{pluralize(accepted, 'notification')} in {options.seconds:.0f} s")
    print(f"{'process':<18} {'early MiB':>10} {'late MiB':>10} {'growth':>8}")
    for one in found:
        print(f"{one.name:<18} {one.early:>10.1f} {one.late:>10.1f} {one.growth:>+8.1f}")
    grew = [one.name for one in found if one.growth > MAX_GROWTH * one.early]
    print(f"grew: {', '.join(grew)}" if grew else "flat")
    return 1 if grew else 0


if __name__ == "__main__":
    with plain_end():
        sys.exit(main())
