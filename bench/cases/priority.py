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
    """The backlog is not drained: what was delivered is checked, the rest is thrown away with the system."""
    lab, seconds = run.lab, run.options.lasting(30, 5)
    lab.fresh(without=["push-service"])
    warm = _urgent(run, WARM_UP_SECONDS)
    alone = _urgent(run, seconds)
    had = len(warm.accepted) + len(alone.accepted)
    books.until_sent(lab, had)
    without = summary(to_provider(lab, alone))
    lab.system.stop_service(WORKER)
    backlog = generate(
        lab.folder, replace(run.plan(run.options.number(100_000, 5_000)), priority=1, size=500, connections=4)
    )
    books.until_published(lab)
    lab.run_services([WORKER])
    sink = lab.providers.smtp
    wait_until(lambda: sink.count() >= had + FLOWING, 60, "the backlog moving")
    urgent = _urgent(run, seconds)
    left = len(backlog.accepted) + had + len(urgent.accepted) - sink.count()
    wait_until(lambda: _delivered_all(lab, urgent), 120, "the urgent ones with the provider")
    lab.system.stop_service(WORKER)
    during = summary(to_provider(lab, urgent))
    return Result(
        during["p99"],
        "ms p99 under backlog",
        without["p99"],
        during["p99"] / without["p99"],
        percentiles={"without backlog": without, "with backlog": during},
        balance=_balance(lab, warm.ids + alone.ids + urgent.ids, backlog.ids),
        target=at_most(during["p99"] / without["p99"], WORST, "ratio"),
        more={"backlog": len(backlog.accepted), "backlog_left_when_the_last_was_posted": left},
    )


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
