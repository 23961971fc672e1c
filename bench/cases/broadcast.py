"""One application notifies everybody in batches of 1,000: the effect on another application's notifications of
priority 10.
"""

from dataclasses import replace

from bench import checks
from bench.cases import urgent
from bench.cases.latency import to_provider
from bench.load.plan import LoadReport
from bench.load.run import Generator, generate
from bench.percentiles import summary
from bench.results import Result
from bench.run import Run

WORST = 1.5
SIZE = 1_000
CONNECTIONS = 2
WORKER = "email-service"
PRIORITIES = (1, 2, 3)
LONGEST = 3  # the time limit for accepting the broadcast, in multiples of the seconds of a measurement alone


def broadcast_like(run: Run) -> Result:
    """Only notifications count that were due while the broadcast was being accepted, which is when it costs most.

    The worker delivers it at the same time and afterwards; later notifications are shown too. The case alone is that of
    `priority_under_backlog`.
    """
    seconds = run.options.lasting(30, 5)
    before, first = urgent.alone(run, seconds)
    beside, second, more = _beside(run, LONGEST * seconds)
    after, third = urgent.alone(run, seconds)
    return urgent.compared(
        [*before, *after], beside, "beside a broadcast", WORST, balance=first + second + third, more=more
    )


def _beside(run: Run, seconds: float) -> tuple[list[float], checks.Balance, dict[str, float]]:
    """The broadcast is not delivered to its end: the arrivals are checked, and the rest is deleted with the system."""
    lab = run.lab
    lab.fresh(without=["push-service"])
    warm = generate(lab.folder, urgent.plan(run, urgent.WARM_UP_SECONDS))
    number = run.options.number(len(lab.fixtures.users), 10_000)
    plan = replace(
        run.plan(number), key=lab.fixtures.other_key, priorities=PRIORITIES, size=SIZE, connections=CONNECTIONS
    )
    generator = Generator(lab.folder, plan)
    try:
        posted = generate(lab.folder, urgent.plan(run, seconds))
        broadcast = generator.end()
    finally:
        generator.stop()
    urgent.until_delivered(lab, posted)
    lab.system.stop_service(WORKER)
    afterwards = summary(to_provider(lab, due(posted, broadcast.ended, posted.ended)))
    more = {
        "broadcast": len(broadcast.accepted),
        "broadcast_accepted_per_s": round(broadcast.rate),
        "broadcast_seconds": round(broadcast.seconds, 1),
        **{f"{name}_ms_after_the_last_batch": value for name, value in afterwards.items()},
    }
    times = to_provider(lab, due(posted, broadcast.started, broadcast.ended))
    return times, urgent.unfinished(lab, [*warm.ids, *posted.ids], broadcast.ids), more


def due(report: LoadReport, first: float, last: float) -> LoadReport:
    """The accepted notifications that were due in this period."""
    return replace(report, accepted=[one for one in report.accepted if first <= one[1] < last])
