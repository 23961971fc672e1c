"""The batch endpoint: 500 notifications per call over few connections, without workers."""

import time
from dataclasses import dataclass, replace

from bench import checks
from bench.costs import per_notification
from bench.lab import WORKERS
from bench.load.run import generate
from bench.percentiles import summary
from bench.results import Result, at_least
from bench.run import Run
from bench.users import Users

SIZE = 500
CONNECTIONS = 4


@dataclass(frozen=True, slots=True)
class AcceptBatch:
    """`ratio` is the minimum relative to the bare endpoint."""

    users: Users
    ratio: float

    def __call__(self, run: Run) -> Result:
        lab = run.lab
        lab.fresh(without=WORKERS, users=self.users)
        bare = run.bare_rate()
        warm = generate(lab.folder, replace(run.plan(2 * SIZE), size=SIZE, connections=CONNECTIONS))
        checks.until_published(lab)
        plan = replace(run.plan(run.options.number(100_000, 20_000)), size=SIZE, connections=CONNECTIONS)
        before = lab.cpu()
        report = generate(lab.folder, plan)
        checks.until_ready(lab)
        until_ready = time.monotonic() - report.started
        checks.until_published(lab)
        costs = per_notification(before, lab.cpu(), plan.count, report.cpu_seconds)
        return Result(
            report.rate,
            "accepted/s",
            bare,
            report.rate / bare,
            percentiles={f"call of {SIZE}": call_times(report.accepted)},
            cpu_ms_per_notification=costs,
            balance=checks.queued(lab, len(report.accepted) + len(warm.accepted)),
            target=at_least(report.rate / bare, self.ratio, "ratio"),
            more={
                "published_per_s": round(plan.count / until_ready),
                "calls": plan.count // SIZE,
                "users_drawn_again": lab.users.repeated,
            },
        )


def call_times(accepted: list[tuple[str, float, float]]) -> dict[str, float]:
    """Every item has the times of its call."""
    return summary(answered - due for due, answered in {(due, answered) for _, due, answered in accepted})
