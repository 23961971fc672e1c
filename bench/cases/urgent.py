"""Notifications of priority 10 at 20/s: the time from POST to the provider, alone or beside other load."""

from collections.abc import Sequence
from dataclasses import replace

from bench import checks
from bench.cases.latency import to_provider
from bench.lab import Lab
from bench.load.plan import LoadReport, Plan
from bench.load.run import generate
from bench.percentiles import summary
from bench.results import Result, at_most
from bench.run import Run
from testkit.eventually import wait_until

RATE = 20.0
WARM_UP_SECONDS = 3.0


def plan(run: Run, seconds: float) -> Plan:
    """To users that are in no cache, whatever the other load has looked up."""
    count = int(RATE * seconds)
    return replace(run.plan(count, users=run.lab.apart), priorities=[10], rate=RATE)


def alone(run: Run, seconds: float) -> tuple[list[float], checks.Balance]:
    """On a fresh system: the seconds from each POST to the provider, and the outcomes of all."""
    lab = run.lab
    lab.fresh(without=["push-service"])
    warm = generate(lab.folder, plan(run, WARM_UP_SECONDS))
    urgent = generate(lab.folder, plan(run, seconds))
    checks.until_sent(lab, len(warm.accepted) + len(urgent.accepted))
    return to_provider(lab, urgent), checks.sent_once(lab, warm.ids + urgent.ids)


def until_delivered(lab: Lab, urgent: LoadReport) -> None:
    def all_there() -> bool:
        return set(urgent.ids) <= {key for key, _ in lab.providers.smtp.arrivals()}

    wait_until(all_there, 120, "the urgent ones with the provider")


def unfinished(lab: Lab, wanted: Sequence[str], backlog: Sequence[str]) -> checks.Balance:
    """Checks that every wanted notification arrived once and none of the backlog twice, and that the rest is still queued:
    nothing is lost.
    """
    arrived = [key for key, _ in lab.providers.smtp.arrivals()]
    counted = checks.balance([*wanted, *backlog], arrived)
    still_to_come = len(set(backlog) - set(arrived))
    return checks.Balance(counted.lost - still_to_come, counted.duplicated) + checks.unaccounted(lab)


def compared(
    without: Sequence[float],
    beside: Sequence[float],
    what: str,
    most: float,
    *,
    balance: checks.Balance,
    more: dict[str, float],
) -> Result:
    """Compares the p99 beside other load (`what`) with the p99 without it: at most `most` times as long."""
    alone, during = summary(without), summary(beside)
    ratio = during["p99"] / alone["p99"]
    return Result(
        during["p99"],
        f"ms p99 {what}",
        alone["p99"],
        ratio,
        percentiles={"alone": alone, what: during},
        balance=balance,
        target=at_most(ratio, most, "ratio"),
        more=more,
    )
