"""Accepting single POSTs with 1, 2 and 4 gateway processes behind one port (WEB_CONCURRENCY)."""

from bench import checks
from bench.cases.accept_single import Measured, measured
from bench.lab import WORKERS
from bench.results import Result
from bench.run import Run

PROCESSES = (1, 2, 4)
GATEWAY = "api-gateway"


def gateway_processes(run: Run) -> Result:
    """`value` is the rate with the most processes. All of them share this machine's cores with everything else."""
    found = {processes: _with(run, processes) for processes in PROCESSES}
    most = found[PROCESSES[-1]]
    return Result(
        most.rate,
        f"published/s with {PROCESSES[-1]}",
        found[1].rate,
        most.rate / found[1].rate,
        percentiles={f"accept, {number}": one.rounds[-1].gateway.percentiles for number, one in found.items()},
        cpu_ms_per_notification=most.costs,
        balance=sum((one.balance for one in found.values()), start=checks.Balance(0, 0)),
        more={str(number): _shown(one) for number, one in found.items()},
    )


def _with(run: Run, processes: int) -> Measured:
    lab = run.lab
    lab.fresh(without=[*WORKERS, GATEWAY])
    lab.system.start_service(GATEWAY, env={"WEB_CONCURRENCY": str(processes)})
    lab.system.wait_ready(GATEWAY)
    return measured(run, run.options.number(3, 1))


def _shown(one: Measured) -> dict[str, object]:
    return {
        "published_per_s": [round(each.published_rate) for each in one.rounds],
        "ratio_to_bare_endpoint": round(one.ratio, 3),
        "cpu_ms_per_notification": {name: round(ms, 3) for name, ms in one.costs.items()},
    }
