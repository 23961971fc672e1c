"""Single POSTs at full speed until the last status is `sent`, everything on this machine, with one worker; for each
channel.

The baseline is the unguarded pipeline (bare endpoint, the user's row over HTTP for users in no cache, one insert, one
confirmed publish; consume, send prepared bytes, acknowledge) under the same load, until the same sink has the last message.
"""

import time
from dataclasses import dataclass

from bench import checks
from bench.baselines.running import start_pipeline
from bench.costs import per_notification
from bench.lab import Lab
from bench.load.run import generate
from bench.percentiles import summary
from bench.results import Result, at_least, at_most
from bench.run import Run
from bench.users import Users
from contracts.recipients import Channel
from testkit.eventually import wait_until

WARM_UP = 500


@dataclass(frozen=True, slots=True)
class EndToEnd:
    """The targets: `share` of the bare endpoint, `ratio` to the unguarded pipeline, `cpu_ms` of our services."""

    channel: Channel
    users: Users
    share: float
    ratio: float
    cpu_ms: float

    def __call__(self, run: Run) -> Result:
        lab, channel, count = run.lab, self.channel, run.options.number(20_000, 3_000)
        baseline, baseline_costs = self._baseline(run, count)
        lab.fresh(without=[_other_worker(channel)], users=self.users)
        bare = run.bare_rate()
        warm = generate(lab.folder, run.plan(WARM_UP, channel=channel))
        checks.until_sent(lab, WARM_UP, channel)
        before = lab.cpu()
        report = generate(lab.folder, run.plan(count, channel=channel))
        checks.until_sent(lab, WARM_UP + count, channel)
        value = count / (time.monotonic() - report.started)
        costs = per_notification(before, lab.cpu(), count, report.cpu_seconds)
        return Result(
            value,
            "sent/s",
            baseline,
            value / baseline,
            percentiles={"accept": summary(report.latencies)},
            cpu_ms_per_notification=costs,
            balance=checks.sent_once(lab, warm.ids + report.ids, channel),
            target=at_least(value / bare, self.share, "share of the bare endpoint")
            & at_least(value / baseline, self.ratio, "ratio")
            & at_most(costs["services"], self.cpu_ms, "services' CPU ms"),
            more={
                "accepted_per_s": round(report.rate),
                "share_of_bare_endpoint": round(value / bare, 3),
                "floor_cpu_ms_per_notification": baseline_costs,
            },
        )

    def _baseline(self, run: Run, count: int) -> tuple[float, dict[str, float]]:
        """Messages a second, and CPU by process. The services are stopped in the meantime, because their loops would cost
        CPU.
        """
        lab, channel = run.lab, self.channel
        lab.fresh(without=lab.system.databases, users=self.users)
        port = start_pipeline(lab, channel, self.users)
        generate(lab.folder, run.plan(WARM_UP, port=port, channel=channel))
        _until_taken(lab, channel, WARM_UP)
        before = lab.cpu()
        report = generate(lab.folder, run.plan(count, port=port, channel=channel))
        _until_taken(lab, channel, WARM_UP + count)
        rate = count / (time.monotonic() - report.started)
        costs = per_notification(before, lab.cpu(), count, report.cpu_seconds)
        return rate, {name: round(ms, 3) for name, ms in costs.items() if name != "services"}


def _until_taken(lab: Lab, channel: str, number: int) -> None:
    wait_until(lambda: lab.providers.for_channel(channel).count() >= number, 600, f"{number} through the baseline")


def _other_worker(channel: str) -> str:
    return "push-service" if channel == "email" else "email-service"
