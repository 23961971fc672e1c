"""`make chaos`: load on the whole system while its parts are killed at random; ends with the proof, and a count of copies.

ARGS='--seed 7 --seconds 300 --rate 250'. The seed decides which faults come, in which order, and how long each lasts.
"""

import argparse
import random
import signal
import sys
import time
from dataclasses import dataclass
from uuid import UUID

from bench.database import Database
from bench.users import populate
from chassis.server.commands import plain_end
from testkit.eventually import pause
from testkit.servers.folder import server_folder
from testkit.servers.process import require_servers
from tests.chaos.faults import Faults
from tests.chaos.load import Clients
from tests.faults.lab import Lab

DRAIN_SECONDS = 60.0
USERS = 100_000  # each is in turn once in five minutes at 250/s, so that no cache knows anybody
ON_THE_WAY = "SELECT count(*) AS rows FROM notifications WHERE status IN ('pending', 'queued')"
FEW = 3
THE_LAST = """
SELECT id::text AS id, notification_type AS type, status, code, attempts, due_at - now() AS due_in,
    claimed_at AS first_reported, now() - updated_at AS untouched
FROM notifications WHERE status IN ('pending', 'queued')
"""
AMBIGUOUS = """
SELECT notification_id::text AS id, max(ambiguous) AS times FROM {table} WHERE ambiguous > 0 GROUP BY notification_id
"""


@dataclass(frozen=True, slots=True)
class Result:
    """`duplicated`: notifications with more copies than the ledgers explain. `explained`: with more than one copy, as the
    ledgers explain. `drained`: seconds after the last fault.
    """

    accepted: int
    rate: float
    lost: int
    duplicated: int
    explained: int
    failed: int
    unaccounted: int
    drained: float

    @property
    def kept_its_word(self) -> bool:
        return not (self.lost or self.duplicated or self.failed or self.unaccounted) and self.drained <= DRAIN_SECONDS


def run(lab: Lab, options: argparse.Namespace) -> Result:
    users = _uncached_users(lab)
    gateways = [f"http://127.0.0.1:{lab.system.ports[name]}" for name in ("api-gateway", "api-gateway-2")]
    clients = Clients(gateways, lab.system.http.headers["Authorization"], users, rate=options.rate)
    faults = Faults(lab, random.Random(options.seed))
    began = time.monotonic()
    clients.start()
    while time.monotonic() - began < options.seconds:
        say(began, faults.one())
        pause(2)
    mended = time.monotonic()
    clients.end()
    load_seconds = time.monotonic() - began
    say(
        began,
        f"the last fault is mended; {len(clients.accepted)} accepted, {clients.posted_again} batches posted again",
    )
    drained = _drain(lab, began, mended)
    return _counted(lab, clients, load_seconds, drained)


def _uncached_users(lab: Lab) -> list[str]:
    database = Database(lab.system.databases["user-service"])
    try:
        return populate(database, UUID(lab.user()), USERS)
    finally:
        database.close()


def _drain(lab: Lab, began: float, since: float) -> float:
    """Seconds from the last fault to the moment when nothing was on its way. Asks rarely: asking is load, too."""
    while (waiting := lab.sql("api-gateway", ON_THE_WAY)[0]["rows"]) > 0:
        assert time.monotonic() < since + 5 * DRAIN_SECONDS, f"{waiting} have not ended"
        say(began, f"{waiting} on their way")
        for row in lab.sql("api-gateway", THE_LAST) if waiting <= FEW else ():
            say(began, " ".join(f"{name}={value}" for name, value in row.items()))
        pause(2)
    return time.monotonic() - since


def _counted(lab: Lab, clients: Clients, seconds: float, drained: float) -> Result:
    lab.reconcile()
    copies, statuses = lab.copies(), lab.statuses(clients.accepted)
    ambiguous: dict[str, int] = {}
    for service, table in (("email-service", "email_deliveries"), ("push-service", "push_deliveries")):
        ambiguous |= {row["id"]: row["times"] for row in lab.sql(service, AMBIGUOUS.format(table=table))}
    unexplained = [name for name in statuses if copies[name] > 1 + ambiguous.get(name, 0)]
    return Result(
        accepted=len(clients.accepted),
        rate=len(clients.accepted) / seconds,
        lost=sum(not copies[name] or name not in statuses for name in clients.accepted),
        duplicated=len(unexplained),
        explained=sum(1 < copies[name] <= 1 + times for name, times in ambiguous.items()),
        failed=sum(status != "sent" for status in statuses.values()) + len(clients.refused),
        unaccounted=lab.system.call("GET", "/reconcile")["unaccounted"],
        drained=drained,
    )


def say(began: float, what: str) -> None:
    print(f"{time.monotonic() - began:6.1f} s  {what}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--rate", type=float, default=250, help="notifications a second that the clients try to post")
    options = parser.parse_args()
    require_servers()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    with server_folder("chaos-") as folder:
        lab = Lab(folder)
        try:
            lab.start()
            for service in ("api-gateway", "email-service"):
                lab.system.start_service(service, name=f"{service}-2")
                lab.system.wait_ready(f"{service}-2")
            result = run(lab, options)
        finally:
            lab.stop()
    print(f"seed {options.seed}: {result}")
    print("kept its word" if result.kept_its_word else "DID NOT KEEP ITS WORD")
    return 0 if result.kept_its_word else 1


if __name__ == "__main__":
    with plain_end():
        sys.exit(main())
