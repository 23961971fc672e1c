"""How long each process takes until it is ready, and what it holds at rest and under load."""

import time
from dataclasses import replace

from bench import books
from bench.lab import Lab
from bench.load.run import Generator
from bench.measure import Memory, memory
from bench.results import Result
from bench.run import Run
from tests.e2e.system import MODULES

REST_SECONDS = 5.0
SAMPLE_SECONDS = 0.5


def memory_and_start(run: Run) -> Result:
    """`value` is what our five processes hold at rest, shared pages counted once."""
    lab = run.lab
    lab.fresh(without=MODULES)
    seconds = {name: round(lab.system.start_timed(name), 2) for name in MODULES}
    time.sleep(REST_SECONDS)
    rest = memory(lab.pids())
    count = run.options.number(20_000, 4_000)
    generator = Generator(lab.folder, replace(run.plan(count), connections=64))
    try:
        load = _highest(lab, count)
        report = generator.end()
    finally:
        generator.stop()
    books.until_sent(lab, count)
    return Result(
        sum(rest[name].pss for name in MODULES),
        "MiB at rest",
        balance=books.delivered(lab, report.ids),
        more={
            "seconds_until_ready": seconds,
            "mib": {name: _shown(rest[name], load.get(name, rest[name])) for name in rest},
        },
    )


def _highest(lab: Lab, count: int) -> dict[str, Memory]:
    """The most that each held until the provider had everything."""
    most: dict[str, Memory] = {}
    deadline = time.monotonic() + 300
    while lab.providers.smtp.count() < count and time.monotonic() < deadline:
        for name, now in memory(lab.pids()).items():
            before = most.get(name, Memory(0, 0))
            most[name] = Memory(max(now.rss, before.rss), max(now.pss, before.pss))
        time.sleep(SAMPLE_SECONDS)
    return most


def _shown(rest: Memory, load: Memory) -> dict[str, float]:
    return {
        "rss_at_rest": round(rest.rss, 1), "pss_at_rest": round(rest.pss, 1),
        "rss_under_load": round(load.rss, 1), "pss_under_load": round(load.pss, 1),
    }  # fmt: skip
