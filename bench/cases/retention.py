"""Whether what is old is deleted as fast as new notifications come, and what that costs beside accepting."""

import time
from dataclasses import dataclass, replace
from datetime import datetime

from bench import checks, rows
from bench.lab import WORKERS, Lab
from bench.load.plan import LoadReport
from bench.load.run import generate
from bench.percentiles import summary
from bench.results import Result, at_least
from bench.run import Run
from testkit.system import MODULES

RATE = 1_000.0  # notifications a second
BATCH = 20
GATEWAY = "api-gateway"
DAYS = 1  # of ninety: nearly every row that was filled in is older
FACTS = """
SELECT pg_current_wal_lsn() - '0/0'::pg_lsn AS wal, n_dead_tup AS dead, autovacuum_count AS vacuums,
    pg_total_relation_size(relid) AS size, (SELECT count(*) FROM notifications WHERE created_at < $1) AS past
FROM pg_stat_user_tables WHERE relname = 'notifications'
"""


@dataclass(frozen=True, slots=True)
class Table:
    """The table of notifications and the log of its server. `past`: rows that were filled in. Sizes in bytes."""

    wal: int
    dead: int
    vacuums: int
    size: int
    past: int


@dataclass(frozen=True, slots=True)
class Measured:
    report: LoadReport
    before: Table
    after: Table
    seconds: float

    @property
    def deleted_rate(self) -> float:
        return (self.before.past - self.after.past) / self.seconds

    def shown(self) -> dict[str, float]:
        return {
            "accepted_per_s": round(self.report.rate),
            "deleted_per_s": round(self.deleted_rate),
            "wal_mib_per_s": round((self.after.wal - self.before.wal) / self.seconds / 2**20, 1),
            "dead_rows": self.after.dead,
            "autovacuums": self.after.vacuums - self.before.vacuums,
            "table_mib": round(self.after.size / 2**20),
        }


def retention(run: Run) -> Result:
    """`value`: old notifications deleted a second, while `RATE` new ones are accepted. The same load without is beside it."""
    lab = run.lab
    lab.fresh(without=MODULES)
    rows.fill(lab.gateway, run.options.number(1_000_000, 50_000))
    filled = lab.gateway.value("SELECT now()")
    lab.run_services(without=[*WORKERS, GATEWAY])
    kept = _measured(run, filled, {})
    deleted = _measured(run, filled, {"RETENTION_DAYS": str(DAYS)})
    accepted = len(kept.report.ids) + len(deleted.report.ids)
    lost = accepted - int(lab.gateway.value("SELECT count(*) FROM notifications WHERE created_at >= $1", filled))
    return Result(
        deleted.deleted_rate,
        "deleted/s",
        percentiles={"accept, all kept": summary(kept.report.latencies), "accept": summary(deleted.report.latencies)},
        balance=checks.Balance(max(0, lost), 0),
        target=at_least(deleted.deleted_rate, RATE, f"deleted/s beside {RATE:g} accepted/s"),
        more={"all kept": kept.shown(), "with RETENTION_DAYS": deleted.shown()},
    )


def _measured(run: Run, filled: datetime, env: dict[str, str]) -> Measured:
    lab = run.lab
    lab.system.start_service(GATEWAY, env=env)
    lab.system.wait_ready(GATEWAY)
    before, began = _table(lab, filled), time.monotonic()
    seconds = run.options.lasting(60, 10)
    plan = run.plan(int(RATE * seconds))
    report = generate(lab.folder, replace(plan, rate=RATE / BATCH, size=BATCH))
    after, ended = _table(lab, filled), time.monotonic()
    lab.system.stop_service(GATEWAY)
    return Measured(report, before, after, ended - began)


def _table(lab: Lab, filled: datetime) -> Table:
    [row] = lab.gateway.rows(FACTS, filled)
    return Table(**{name: int(value) for name, value in row.items()})
