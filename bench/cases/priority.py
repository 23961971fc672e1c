"""What a standing backlog of priority 1 does to notifications of priority 10."""

from dataclasses import replace

from bench import books
from bench.cases.latency import to_provider
from bench.lab import Lab
from bench.load.plan import Report
from bench.load.run import generate
from bench.percentiles import summary
from bench.results import Result, at_most
from bench.run import Run
from tests.servers.process import wait_until

RATE = 20.0
WORST = 1.5
WARM_UP_SECONDS = 3.0
FLOWING = 200  # deliveries of the backlog after which the worker is taken to be at full speed
WORKER = "email-service"


def priority_under_backlog(run: Run) -> Result:
    """Alone is measured before and after, because the machine's pace changes: the p99 of both together counts.

    Both p99s are of as many notifications. The first ones over the backlog meet a worker at full speed: shown too.
    """
    seconds = run.options.lasting(30, 5)
    before, first = _alone(run, seconds)
    over, second, more = _over_backlog(run, 2 * seconds)
    after, third = _alone(run, seconds)
    without, during = summary([*before, *after]), summary(over)
    return Result(
        during["p99"],
        "ms p99 under backlog",
        without["p99"],
        during["p99"] / without["p99"],
        percentiles={"without backlog": without, "with backlog": during},
        balance=first + second + third,
        target=at_most(during["p99"] / without["p99"], WORST, "ratio"),
        more=more,
    )


def _alone(run: Run, seconds: float) -> tuple[list[float], books.Balance]:
    """Seconds from each POST to the provider, and what became of all."""
    run.lab.fresh(without=["push-service"])
    warm = _urgent(run, WARM_UP_SECONDS)
    urgent = _urgent(run, seconds)
    books.until_sent(run.lab, len(warm.accepted) + len(urgent.accepted))
    return to_provider(run.lab, urgent), books.delivered(run.lab, warm.ids + urgent.ids)


def _over_backlog(run: Run, seconds: float) -> tuple[list[float], books.Balance, dict[str, float]]:
    """The backlog is not drained: what was delivered is checked, the rest is thrown away with the system."""
    lab, sink = run.lab, run.lab.providers.smtp
    lab.fresh(without=["push-service"])
    lab.system.stop_service(WORKER)
    backlog = generate(
        lab.folder, replace(run.plan(run.options.number(100_000, 5_000)), priority=1, size=500, connections=4)
    )
    books.until_published(lab)
    lab.settle()
    lab.run_services([WORKER])
    wait_until(lambda: sink.count() >= FLOWING, 60, "the backlog moving")
    first = sink.count()
    urgent = _urgent(run, seconds)
    last = sink.count()
    wait_until(lambda: _delivered_all(lab, urgent), 120, "the urgent ones with the provider")
    lab.system.stop_service(WORKER)
    more = {
        "backlog": len(backlog.accepted),
        "backlog_left_when_the_last_was_posted": len(backlog.accepted) + len(urgent.accepted) - last,
        "backlog_per_s_meanwhile": (last - first - len(urgent.accepted)) / seconds,
    }
    times = to_provider(lab, urgent)
    more["worst_ms_of_the_first_ten"] = summary(times[:10])["max"]
    return times, _balance(lab, urgent.ids, backlog.ids), more


def _urgent(run: Run, seconds: float) -> Report:
    return generate(run.lab.folder, replace(run.plan(int(RATE * seconds)), priority=10, rate=RATE))


def _delivered_all(lab: Lab, report: Report) -> bool:
    return set(report.ids) <= {key for key, _ in lab.providers.smtp.arrivals()}


def _balance(lab: Lab, wanted: list[str], backlog: list[str]) -> books.Balance:
    """All urgent ones once; of the backlog none twice, and what the provider lacks is still to come: nothing lost."""
    arrived = [key for key, _ in lab.providers.smtp.arrivals()]
    counted = books.balance([*wanted, *backlog], arrived)
    still_to_come = len(set(backlog) - set(arrived))
    return books.Balance(counted.lost - still_to_come, counted.duplicated) + books.unaccounted(lab)
