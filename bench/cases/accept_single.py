"""POSTs one by one, each authenticated, limited, unique, durable and published, against a bare endpoint.

No worker runs, so that accepting and publishing alone are measured. The rate counts until the last message is in RabbitMQ.
"""

import time
from dataclasses import dataclass

from bench import books
from bench.costs import per_notification
from bench.floors.running import start_bare
from bench.lab import WORKERS
from bench.load.wrk import WrkReport
from bench.percentiles import median
from bench.results import Result, at_least
from bench.run import WARM_UP_SECONDS, Run

RATIO = 0.70


@dataclass(frozen=True, slots=True)
class Round:
    """One piece of load on the bare endpoint and the gateway, one after the other."""

    bare: WrkReport
    gateway: WrkReport
    rows: int
    until_published: float

    @property
    def published_rate(self) -> float:
        return self.rows / self.until_published

    @property
    def ratio(self) -> float:
        return self.published_rate / self.bare.rate


def accept_single(run: Run) -> Result:
    lab = run.lab
    lab.fresh(without=WORKERS)
    bare_port, port = start_bare(lab), lab.system.ports["api-gateway"]
    answered = sum(run.wrk(one, WARM_UP_SECONDS).answered * (one == port) for one in (bare_port, port))
    books.until_published(lab)
    before = lab.cpu()
    rounds = [_round(run, bare_port, port) for _ in range(run.options.number(5, 2))]
    after = {name: used for name, used in lab.cpu().items() if not name.startswith("floor")}
    run.bare_rates = [one.bare.rate for one in rounds]
    value, floor = median([one.published_rate for one in rounds]), median(run.bare_rates)
    ratio = median([one.ratio for one in rounds])  # of rounds: the machine's pace changes from one to the next
    rows = sum(one.rows for one in rounds)
    load = sum(one.gateway.cpu_seconds for one in rounds)
    answered += sum(one.gateway.answered for one in rounds)
    return Result(
        value,
        "published/s",
        floor,
        ratio,
        percentiles={"accept": rounds[-1].gateway.percentiles, "bare endpoint": rounds[-1].bare.percentiles},
        cpu_ms_per_notification=per_notification(before, after, rows, load),
        balance=books.queued(lab, answered),
        target=at_least(ratio, RATIO, "ratio"),
        more={
            "answered_per_s": [round(one.gateway.rate) for one in rounds],
            "published_per_s": [round(one.published_rate) for one in rounds],
            "bare_per_s": [round(one.bare.rate) for one in rounds],
            "ratios": [round(one.ratio, 2) for one in rounds],
        },
    )


def _round(run: Run, bare_port: int, port: int) -> Round:
    seconds = run.options.lasting(8, 4)
    bare = run.wrk(bare_port, seconds)
    rows = "SELECT count(*) FROM notifications"
    had = run.lab.gateway.value(rows)
    gateway = run.wrk(port, seconds)
    ended = time.monotonic()
    books.until_published(run.lab)
    rest = time.monotonic() - ended
    return Round(bare, gateway, run.lab.gateway.value(rows) - had, gateway.seconds + rest)
