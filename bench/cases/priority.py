"""The effect of a standing backlog of priority 1 on notifications of priority 10."""

from dataclasses import replace

from bench import checks
from bench.cases import urgent
from bench.cases.latency import to_provider
from bench.load.run import generate
from bench.percentiles import summary
from bench.results import Result
from bench.run import Run
from testkit.eventually import wait_until

WORST = 1.3
FLOWING = 200  # deliveries of the backlog after which the worker counts as running at full speed
WORKER = "email-service"


def priority_under_backlog(run: Run) -> Result:
    """The case without backlog is measured before and after, because the machine's speed changes; the p99 of both together
    counts.

    Both p99s are of the same number of notifications. The first ones over the backlog, which meet a worker at full speed,
    are also shown.
    """
    seconds = run.options.lasting(30, 5)
    before, first = urgent.alone(run, seconds)
    over, second, more = _over_backlog(run, 2 * seconds)
    after, third = urgent.alone(run, seconds)
    return urgent.compared([*before, *after], over, "under backlog", WORST, balance=first + second + third, more=more)


def _over_backlog(run: Run, seconds: float) -> tuple[list[float], checks.Balance, dict[str, float]]:
    """The backlog is not drained: its deliveries are checked, and the rest is deleted with the system."""
    lab, sink = run.lab, run.lab.providers.smtp
    lab.fresh(without=["push-service"])
    lab.system.stop_service(WORKER)
    number = run.options.number(100_000, 5_000)
    backlog = generate(lab.folder, replace(run.plan(number), priorities=[1], size=500, connections=4))
    checks.until_published(lab)
    lab.wait_quiet()
    lab.run_services([WORKER])
    wait_until(lambda: sink.count() >= FLOWING, 60, "the backlog moving")
    first = sink.count()
    posted = generate(lab.folder, urgent.plan(run, seconds))
    last = sink.count()
    urgent.until_delivered(lab, posted)
    lab.system.stop_service(WORKER)
    more = {
        "backlog": len(backlog.accepted),
        "backlog_left_when_the_last_was_posted": len(backlog.accepted) + len(posted.accepted) - last,
        "backlog_per_s_meanwhile": (last - first - len(posted.accepted)) / seconds,
    }
    times = to_provider(lab, posted)
    more["worst_ms_of_the_first_ten"] = summary(times[:10])["max"]
    return times, urgent.unfinished(lab, posted.ids, backlog.ids), more
