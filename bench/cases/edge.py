"""The cost of hostile clients for the gateway: its memory, and the latency of ordinary requests in the meantime."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from bench import checks
from bench.lab import Lab
from bench.load.plan import LoadReport
from bench.load.run import generate
from bench.measure import memory
from bench.percentiles import summary
from bench.results import Result, at_most
from bench.run import Run

RATE = 100.0
WARM_UP_SECONDS = 5
MAX_MEMORY_MIB = 50.0
MAX_TIMES = 2.0
SAMPLE_SECONDS = 0.25
GATEWAY = "api-gateway"


def edge(run: Run) -> Result:
    """`value` is the p95 of accepting during the attack, `baseline` without it. The whole attack comes from a proxy's
    address, so the limit of connections does not stop it.
    """
    lab = run.lab
    lab.fresh()
    seconds = run.options.lasting(15, 8)
    ids = list(_load(run, WARM_UP_SECONDS).ids)
    alone = _load(run, seconds)
    before = _rss(lab)
    with _attack(lab, seconds) as came_of_it, _highest(lab) as held:
        attacked = _load(run, seconds)
    ids += [*alone.ids, *attacked.ids]
    checks.until_sent(lab, len(ids))
    growth = held[0] - before
    times = {"alone": summary(alone.latencies), "attacked": summary(attacked.latencies)}
    value, baseline = times["attacked"]["p95"], times["alone"]["p95"]
    return Result(
        value,
        "ms p95 accept",
        baseline=baseline,
        ratio=value / baseline,
        percentiles=times,
        balance=checks.sent_once(lab, ids),
        target=at_most(growth, MAX_MEMORY_MIB, "MiB more in the gateway")
        & at_most(value / baseline, MAX_TIMES, "times p95"),
        more={
            "gateway_mib_before": round(before, 1),
            "gateway_mib_more": round(growth, 1),
            "gateway_mib_more_after": round(_rss(lab) - before, 1),
            "hostile": came_of_it,
        },
    )


def _load(run: Run, seconds: float) -> LoadReport:
    return generate(run.lab.folder, replace(run.plan(int(RATE * seconds)), rate=RATE))


def _rss(lab: Lab) -> float:
    return memory({GATEWAY: lab.pids()[GATEWAY]})[GATEWAY].rss


@contextmanager
def _attack(lab: Lab, seconds: float) -> Iterator[dict[str, Any]]:
    """Runs the attack while the context lasts. The outcome is available afterwards."""
    command = [sys.executable, "-m", "bench.load.hostile", str(lab.system.ports[GATEWAY]), str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = {}
    try:
        if process.stdout is None or not process.stdout.readline():
            raise RuntimeError("the attack did not begin")
        yield found
        process.terminate()
        found.update(json.loads(process.communicate(timeout=30)[0]))
    finally:
        process.kill()
        process.wait()


@contextmanager
def _highest(lab: Lab) -> Iterator[list[float]]:
    """The gateway's maximum memory while the context lasts, in MiB."""
    most = [_rss(lab)]
    ended = threading.Event()

    def sample() -> None:
        while not ended.wait(SAMPLE_SECONDS):
            most[0] = max(most[0], _rss(lab))

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield most
    finally:
        ended.set()
        sampler.join()
