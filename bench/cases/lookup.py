"""Users looked up per second, on the gateway's path and on a worker's, each user once and in no cache."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict

from bench import checks
from bench.costs import per_notification
from bench.load.lookups import ASKERS, Answer, Asker, Question
from bench.load.run import output_of
from bench.results import Result
from bench.run import Run
from delivery.settings import WorkerSettings
from testkit.system import MODULES, SERVICE_KEYS

OWNER = "user-service"
# Service, simultaneous callers, and users per call: as in `accept_single` and `accept_batch`, and as many messages as a
# worker holds.
WAYS: Mapping[str, tuple[Asker, int, int]] = {
    "gateway": ("gateway", 64, 1),
    "gateway, batches of 500": ("gateway", 4, 500),
    "worker": ("worker", int(WorkerSettings.model_fields["worker_prefetch_count"].default), 1),
}


def lookup(run: Run) -> Result:
    """`value` is the gateway's rate for single users. CPU is that of all processes, per user. Users that were not found
    count as lost.
    """
    lab, count = run.lab, run.options.number(20_000, 5_000)
    lab.fresh(without=[name for name in MODULES if name != OWNER])
    rates: dict[str, float] = {}
    costs: dict[str, dict[str, float]] = {}
    missing: dict[str, int] = {}
    for way, (asker, callers, size) in WAYS.items():
        before = lab.cpu()
        answer = _asked(run, asker, callers=callers, size=size, count=count)
        used = {**lab.cpu(), "looking up": answer.cpu_seconds}
        costs[way] = per_notification(before, used, count)
        rates[way] = count / answer.seconds
        missing[way] = count - answer.found
    return Result(
        rates["gateway"],
        "users/s",
        cpu_ms_per_notification=costs["gateway"],
        balance=checks.Balance(sum(missing.values()), 0),
        more={
            "users_per_s": {way: round(rate) for way, rate in rates.items()},
            "not_found": missing,
            "cpu_ms_a_user": {way: {name: round(ms, 3) for name, ms in cost.items()} for way, cost in costs.items()},
        },
    )


def _asked(run: Run, asker: Asker, *, callers: int, size: int, count: int) -> Answer:
    lab = run.lab
    question = Question(
        asker=asker,
        users=lab.users.take(count),
        callers=callers,
        size=size,
        user_service_url=f"http://127.0.0.1:{lab.system.ports[OWNER]}",
        redis_url=lab.redis.url,
        service_private_key=SERVICE_KEYS[ASKERS[asker]].private,
    )
    file = lab.folder / "question.json"
    file.write_text(json.dumps(asdict(question)))
    output, _ = output_of([sys.executable, "-m", "bench.load.lookups", str(file)], {})
    return Answer(**json.loads(output.splitlines()[-1]))  # the lines above it are the service's log
