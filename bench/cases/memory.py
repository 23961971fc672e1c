"""The start-up time, idle CPU and memory of each process, and its memory under load."""

import time
from dataclasses import replace

from bench import checks
from bench.lab import Lab
from bench.load.run import Generator
from bench.measure import Memory, memory
from bench.results import Result, at_most
from bench.run import Run
from testkit.system import MODULES

SETTLING_SECONDS = 5.0
MAX_IDLE_CPU = 1.0  # per cent of a core, for each of our services
SAMPLE_SECONDS = 0.5


def memory_and_start(run: Run) -> Result:
    """`value` is the memory of our five processes at rest; shared pages count once."""
    lab = run.lab
    lab.fresh(without=MODULES)
    seconds = {name: round(lab.system.start_timed(name), 2) for name in MODULES}
    time.sleep(SETTLING_SECONDS)
    idle = _idle_cpu(lab, run.options.lasting(20, 5))
    rest = memory(lab.pids())
    count = run.options.number(20_000, 4_000)
    generator = Generator(lab.folder, replace(run.plan(count), connections=64))
    try:
        load = _highest(lab, count)
        report = generator.end()
    finally:
        generator.stop()
    checks.until_sent(lab, count)
    return Result(
        sum(rest[name].pss for name in MODULES),
        "MiB at rest",
        balance=checks.sent_once(lab, report.ids),
        target=at_most(max(idle[name] for name in MODULES), MAX_IDLE_CPU, "% of a core a service at rest"),
        more={
            "percent_of_a_core_at_rest": idle,
            "seconds_until_ready": seconds,
            "mib": {name: _shown(rest[name], load.get(name, rest[name])) for name in rest},
        },
    )


def _idle_cpu(lab: Lab, seconds: float) -> dict[str, float]:
    """Per cent of a core by process, without any requests."""
    before, began = lab.cpu(), time.monotonic()
    time.sleep(seconds)
    after, lasted = lab.cpu(), time.monotonic() - began
    return {name: round((after[name] - before[name]) / lasted * 100, 2) for name in before}


def _highest(lab: Lab, count: int) -> dict[str, Memory]:
    """The maximum memory of each process until the provider had everything."""
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
