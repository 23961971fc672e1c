"""A provider 50 ms away: the rate of one worker with default settings. Round trips are the limit, not the CPU."""

from collections.abc import Sequence
from dataclasses import replace

from bench import checks
from bench.costs import per_notification
from bench.load.run import generate
from bench.results import Result, Target
from bench.run import Run

DELAY_SECONDS = 0.050
LEAST = 400.0
STEADY = (0.1, 0.8)  # the arrivals after the start-up and before the last ones


def slow_smtp(run: Run) -> Result:
    lab, count = run.lab, run.options.number(6_000, 1_000)
    lab.fresh(without=["push-service"])
    lab.providers.smtp.delay(DELAY_SECONDS)
    before = lab.cpu()
    report = generate(lab.folder, replace(run.plan(count), size=500, connections=2))
    checks.until_sent(lab, count)
    costs = per_notification(before, lab.cpu(), count, report.cpu_seconds)
    value = steady_rate([when for _, when in lab.providers.smtp.arrivals()])
    return Result(
        value,
        "deliveries/s",
        cpu_ms_per_notification=costs,
        balance=checks.sent_once(lab, report.ids),
        target=Target(f"≥ {LEAST:g}/s a worker", value >= LEAST),
        more={"delay_ms_before_each_reply": DELAY_SECONDS * 1000},
    )


def steady_rate(moments: Sequence[float]) -> float:
    """Arrivals a second in the steady part."""
    first, last = (int(len(moments) * share) for share in STEADY)
    return (last - first) / (moments[last] - moments[first])
