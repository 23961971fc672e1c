"""Single POSTs, each authenticated, rate-limited, unique, durable and published, compared with a bare endpoint.

No worker runs, so that only accepting and publishing are measured. The rate counts until the last message is in RabbitMQ.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench import checks
from bench.baselines.running import BARE, start_bare
from bench.costs import per_notification
from bench.lab import WORKERS
from bench.load.wrk import WrkReport
from bench.percentiles import median
from bench.results import Result, at_least
from bench.run import WARM_UP_SECONDS, Run
from bench.users import Users


@dataclass(frozen=True, slots=True)
class Round:
    """The same load on the bare endpoint and on the gateway, one after the other."""

    bare: WrkReport
    gateway: WrkReport
    rows: int
    until_ready: float

    @property
    def published_rate(self) -> float:
        return self.rows / self.until_ready

    @property
    def ratio(self) -> float:
        return self.published_rate / self.bare.rate


@dataclass(frozen=True, slots=True)
class Measured:
    """`costs` are CPU milliseconds per notification by process, without the baseline's."""

    rounds: Sequence[Round]
    costs: Mapping[str, float]
    balance: checks.Balance

    @property
    def rate(self) -> float:
        return median([one.published_rate for one in self.rounds])

    @property
    def bare_rates(self) -> list[float]:
        return [one.bare.rate for one in self.rounds]

    @property
    def ratio(self) -> float:
        """Per round, because the machine's speed changes from one round to the next."""
        return median([one.ratio for one in self.rounds])


@dataclass(frozen=True, slots=True)
class AcceptSingle:
    """`ratio` is the minimum relative to the bare endpoint."""

    users: Users
    ratio: float

    def __call__(self, run: Run) -> Result:
        run.lab.fresh(without=WORKERS, users=self.users)
        found = measured(run, run.options.number(5, 2))
        run.bare_rates = found.bare_rates
        last = found.rounds[-1]
        return Result(
            found.rate,
            "published/s",
            median(found.bare_rates),
            found.ratio,
            percentiles={"accept": last.gateway.percentiles, "bare endpoint": last.bare.percentiles},
            cpu_ms_per_notification=found.costs,
            balance=found.balance,
            target=at_least(found.ratio, self.ratio, "ratio"),
            more={
                "answered_per_s": [round(one.gateway.rate) for one in found.rounds],
                "published_per_s": [round(one.published_rate) for one in found.rounds],
                "bare_per_s": [round(one.bare.rate) for one in found.rounds],
                "ratios": [round(one.ratio, 2) for one in found.rounds],
                "users_drawn_again": run.lab.users.repeated,
            },
        )


def measured(run: Run, rounds: int) -> Measured:
    """Measures on a fresh system without workers. Stops the bare endpoint afterwards."""
    lab = run.lab
    bare_port, port = start_bare(lab), lab.system.ports["api-gateway"]
    run.wrk(bare_port, WARM_UP_SECONDS)
    answered = run.wrk(port, WARM_UP_SECONDS).answered
    checks.until_published(lab)
    before = lab.cpu()
    done = [_round(run, bare_port, port) for _ in range(rounds)]
    after = {name: used for name, used in lab.cpu().items() if not name.startswith("baseline")}
    lab.children.stop(BARE)
    load = sum(one.gateway.cpu_seconds for one in done)
    return Measured(
        done,
        per_notification(before, after, sum(one.rows for one in done), load),
        checks.queued(lab, answered + sum(one.gateway.answered for one in done)),
    )


def _round(run: Run, bare_port: int, port: int) -> Round:
    seconds = run.options.lasting(8, 4)
    bare = run.wrk(bare_port, seconds)
    rows = "SELECT count(*) FROM notifications"
    had = run.lab.gateway.value(rows)
    gateway = run.wrk(port, seconds)
    ended = time.monotonic()
    checks.until_ready(run.lab)
    rest = time.monotonic() - ended
    checks.until_published(run.lab)  # its marks belong to its costs, and must not be load on the next round's baseline
    return Round(bare, gateway, run.lab.gateway.value(rows) - had, gateway.seconds + rest)
