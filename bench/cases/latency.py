"""Open loop: notifications at a constant rate, timed from when each was due to be posted.

300 a second on a machine whose bare endpoint makes 4,400/s; on another as large a share of its bare endpoint's rate.
"""

from dataclasses import replace

from bench import books
from bench.costs import per_notification
from bench.lab import Lab
from bench.load.plan import Report
from bench.load.run import generate
from bench.percentiles import summary
from bench.results import Result, at_most
from bench.run import Run

RATE = 300.0
ACCEPT_P95_MS = 15.0
PROVIDER_P95_MS = 150.0
WARM_UP_SECONDS = 3


def latency_at_300(run: Run) -> Result:
    lab = run.lab
    lab.fresh()
    rate = run.scaled(RATE)
    warm = generate(lab.folder, replace(run.plan(int(rate * WARM_UP_SECONDS)), rate=rate))
    books.until_sent(lab, len(warm.accepted))
    before = lab.cpu()
    plan = replace(run.plan(int(rate * run.options.lasting(30, 8))), rate=rate)
    report = generate(lab.folder, plan)
    books.until_sent(lab, len(warm.accepted) + plan.count)
    costs = per_notification(before, lab.cpu(), plan.count, report.cpu_seconds)
    accept, provider = summary(report.latencies), summary(to_provider(lab, report))
    return Result(
        provider["p95"],
        "ms p95 to provider",
        percentiles={"accept": accept, "accept to provider": provider},
        cpu_ms_per_notification=costs,
        balance=books.delivered(lab, warm.ids + report.ids),
        target=at_most(accept["p95"], ACCEPT_P95_MS, "accept p95 ms")
        & at_most(provider["p95"], PROVIDER_P95_MS, "to provider p95 ms"),
        more={"accepted_per_s": round(report.rate, 1)},
    )


def to_provider(lab: Lab, report: Report) -> list[float]:
    """Seconds from when each was due to be posted until the sink had its last byte. The first copy counts."""
    arrived: dict[str, float] = {}
    for key, when in lab.providers.smtp.arrivals():
        arrived.setdefault(key, when)
    return [arrived[key] - due for key, due, _ in report.accepted if key in arrived]
