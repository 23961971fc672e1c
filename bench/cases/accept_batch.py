"""The batch endpoint: 500 notifications a call over few connections, no worker running."""

import time
from dataclasses import replace

from bench import books
from bench.costs import per_notification
from bench.lab import WORKERS
from bench.load.run import generate
from bench.percentiles import summary
from bench.results import Result, at_least
from bench.run import Run

SIZE = 500
CONNECTIONS = 4
SHARE_OF_BARE = 1.8


def accept_batch(run: Run) -> Result:
    lab = run.lab
    lab.fresh(without=WORKERS)
    bare = run.bare_rate()
    plan = replace(run.plan(run.options.number(100_000, 20_000)), size=SIZE, connections=CONNECTIONS)
    warm = generate(lab.folder, replace(run.plan(2 * SIZE), size=SIZE, connections=CONNECTIONS))
    books.until_published(lab)
    before = lab.cpu()
    report = generate(lab.folder, plan)
    books.until_published(lab)
    until_published = time.monotonic() - report.started
    costs = per_notification(before, lab.cpu(), plan.count, report.cpu_seconds)
    return Result(
        report.rate,
        "accepted/s",
        bare,
        report.rate / bare,
        percentiles={f"call of {SIZE}": call_times(report.accepted)},
        cpu_ms_per_notification=costs,
        balance=books.queued(lab, len(report.accepted) + len(warm.accepted)),
        target=at_least(report.rate / bare, SHARE_OF_BARE, "ratio"),
        more={"published_per_s": round(plan.count / until_published), "calls": plan.count // SIZE},
    )


def call_times(accepted: list[tuple[str, float, float]]) -> dict[str, float]:
    """Each call's items share its times."""
    return summary(answered - due for due, answered in {(due, answered) for _, due, answered in accepted})
