"""Open loop: notifications at a constant rate, timed from the moment at which each was due.

The rate is 300 a second on a machine whose bare endpoint makes 4,400/s, and in proportion on other machines.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bench import checks
from bench.costs import per_notification
from bench.lab import Lab
from bench.load.plan import LoadReport
from bench.load.run import generate
from bench.percentiles import summary
from bench.results import Result, at_most
from bench.run import Run

RATE = 300.0
ACCEPT_P95_MS = 20.0
PROVIDER_P95_MS = 120.0
WARM_UP_SECONDS = 3
ROUNDS = 3


def latency_at_300(run: Run) -> Result:
    """Three rounds, because the machine's speed changes. The round with the median accept p95 counts."""
    lab = run.lab
    lab.fresh()
    rate = run.scaled(RATE)
    warm = generate(lab.folder, replace(run.plan(int(rate * WARM_UP_SECONDS)), rate=rate))
    ids = list(warm.ids)
    checks.until_sent(lab, len(ids))
    rounds: list[_Round] = []
    for _ in range(ROUNDS):
        rounds.append(_round(run, rate, len(ids)))
        ids += rounds[-1].ids
    middle = sorted(rounds, key=lambda one: one.accept["p95"])[ROUNDS // 2]
    return Result(
        middle.provider["p95"],
        "ms p95 to provider",
        percentiles={"accept": middle.accept, "accept to provider": middle.provider},
        cpu_ms_per_notification=middle.costs,
        balance=checks.sent_once(lab, ids),
        target=at_most(middle.accept["p95"], ACCEPT_P95_MS, "accept p95 ms")
        & at_most(middle.provider["p95"], PROVIDER_P95_MS, "to provider p95 ms"),
        more={
            "accepted_per_s": round(middle.rate, 1),
            "accept_p95_ms": [one.accept["p95"] for one in rounds],
            "to_provider_p95_ms": [one.provider["p95"] for one in rounds],
        },
    )


@dataclass(frozen=True, slots=True)
class _Round:
    """Percentiles in milliseconds, CPU milliseconds per notification by process, notifications a second."""

    ids: list[str]
    accept: Mapping[str, float]
    provider: Mapping[str, float]
    costs: Mapping[str, float]
    rate: float


def _round(run: Run, rate: float, sent_before: int) -> _Round:
    lab = run.lab
    before = lab.cpu()
    plan = replace(run.plan(int(rate * run.options.lasting(20, 5))), rate=rate)
    report = generate(lab.folder, plan)
    checks.until_sent(lab, sent_before + plan.count)
    costs = per_notification(before, lab.cpu(), plan.count, report.cpu_seconds)
    return _Round(report.ids, summary(report.latencies), summary(to_provider(lab, report)), costs, report.rate)


def to_provider(lab: Lab, report: LoadReport) -> list[float]:
    """Seconds from the moment at which each was due until the sink had its last byte. The first copy counts."""
    arrived: dict[str, float] = {}
    for key, when in lab.providers.smtp.arrivals():
        arrived.setdefault(key, when)
    return [arrived[key] - due for key, due, _ in report.accepted if key in arrived]
