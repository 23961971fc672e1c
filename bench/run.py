"""One run of the bench: the input of every case."""

from dataclasses import dataclass, field
from uuid import uuid4

from bench.baselines.running import BARE, start_bare
from bench.lab import Lab
from bench.load.plan import Plan
from bench.load.wrk import CONNECTIONS, WrkReport, post_singles
from bench.percentiles import median
from bench.results import REFERENCE_RATE
from bench.users import Walk

WARM_UP_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Options:
    """`seconds` is the length of each timed piece of load; `rows` are the sizes of `growth`, if given."""

    quick: bool = False
    seconds: float | None = None
    rows: tuple[int, ...] = ()

    def lasting(self, seconds: float, quick: float) -> float:
        return self.seconds or (quick if self.quick else seconds)

    def number(self, usual: int, quick: int) -> int:
        return quick if self.quick else usual


@dataclass
class Run:
    lab: Lab
    options: Options
    bare_rates: list[float] = field(default_factory=list)

    def bare_rate(self) -> float:
        """The bare endpoint's requests a second, measured once per run unless a case has done so."""
        if not self.bare_rates:
            port = start_bare(self.lab)
            self.wrk(port, WARM_UP_SECONDS)
            self.bare_rates = [self.wrk(port, self.options.lasting(5, 3)).rate for _ in range(2)]
            self.lab.children.stop(BARE)
        return median(self.bare_rates)

    def scaled(self, rate: float) -> float:
        """An absolute target, scaled to this machine's current speed."""
        return rate * self.bare_rate() / REFERENCE_RATE

    def wrk(self, port: int, seconds: float) -> WrkReport:
        """Single POSTs to `port`. Only the gateway's requests use up users: the bare endpoint puts none into a cache."""
        users = self.lab.users
        report = post_singles(port, key=self.lab.fixtures.key, users=users.ahead(), seconds=seconds)
        if port == self.lab.system.ports["api-gateway"]:
            users.pass_by(report.answered + CONNECTIONS)  # each has one request pending at the end
        return report

    def plan(self, count: int, *, port: int | None = None, channel: str = "email", users: Walk | None = None) -> Plan:
        """Single POSTs to the gateway, or to `port`, for the lab's users, or others. `dataclasses.replace` changes the
        rest.
        """
        return Plan(
            port=port or self.lab.system.ports["api-gateway"],
            key=self.lab.fixtures.key,
            users=(users or self.lab.users).take(count),
            prefix=uuid4().hex[:12],
            count=count,
            channel=channel,
        )
