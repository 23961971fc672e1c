"""Accepting and reading with ten thousand, a million and ten million notifications in the tables."""

import random
import shutil
import time
from collections.abc import Callable
from dataclasses import replace

from bench import checks, rows
from bench.lab import WORKERS, Lab
from bench.load.run import generate
from bench.percentiles import median, summary
from bench.results import Result, at_most
from bench.run import Run
from testkit.system import MODULES

SIZES = (10_000, 1_000_000, 10_000_000)
QUICK_SIZES = (10_000, 200_000)
BYTES_A_ROW = 3_000  # tables, indexes and the write-ahead log, with a margin
WORST = 1.3
ACCEPT_RATE = 200.0
READS = 300
PICKED = "SELECT id::text FROM notifications WHERE id >= $1 ORDER BY id LIMIT 1"
Times = dict[str, list[float]]


def growth(run: Run) -> Result:
    """`value` is the worst increase of a median from the smallest table to the largest."""
    sizes = run.options.rows or (QUICK_SIZES if run.options.quick else SIZES)
    free = shutil.disk_usage(run.lab.folder).free
    if free < max(sizes) * BYTES_A_ROW:
        raise RuntimeError(f"{max(sizes)} rows need {max(sizes) * BYTES_A_ROW >> 30} GiB; {free >> 30} are free")
    timed: dict[int, Times] = {}
    balance, loading = checks.Balance(0, 0), {}
    for size in (*sizes, min(sizes)):  # the smallest again: other effects of the filling must not count as growth
        run.lab.fresh(without=MODULES)
        began = time.monotonic()
        rows.fill(run.lab.gateway, size)
        loading[str(size)] = round(time.monotonic() - began)
        run.lab.run_services(without=WORKERS)  # now, because a relay would scan the empty table
        found, counted = _timed(run, size)
        balance += counted
        timed[size] = {what: timed.get(size, {}).get(what, []) + seconds for what, seconds in found.items()}
    smallest, largest = timed[min(sizes)], timed[max(sizes)]
    grown = {what: round(median(largest[what]) / median(smallest[what]), 2) for what in smallest}
    return Result(
        max(grown.values()),
        "times the median",
        percentiles={
            f"{what}, {size:,} rows": summary(seconds)
            for size, times in timed.items()
            for what, seconds in times.items()
        },
        balance=balance,
        target=at_most(max(grown.values()), WORST, f"{max(sizes):,} rows against {min(sizes):,}"),
        more={"growth_of_medians": grown, "seconds_to_fill": loading},
    )


def _timed(run: Run, size: int) -> tuple[Times, checks.Balance]:
    lab = run.lab
    generate(lab.folder, replace(run.plan(int(ACCEPT_RATE * 2)), rate=ACCEPT_RATE))  # fills caches and plans
    plan = replace(run.plan(int(ACCEPT_RATE * run.options.lasting(15, 5))), rate=ACCEPT_RATE)
    report = generate(lab.folder, plan)
    checks.until_published(lab)
    found = {"accept": report.latencies}
    for what, path in _reads(lab, size).items():
        _read(lab, path, 20)
        found[what] = _read(lab, path, READS)
    missing = int(ACCEPT_RATE * 2) + plan.count + size - int(lab.gateway.value("SELECT count(*) FROM notifications"))
    return found, checks.unaccounted(lab) + checks.Balance(abs(missing), 0)


def _reads(lab: Lab, size: int) -> dict[str, Callable[[], str]]:
    dice = random.Random(7)
    past = [time.time() - dice.uniform(0.01, 0.99) * rows.DAYS * 86_400 for _ in range(100)]
    ids = [lab.gateway.value(PICKED, rows.first_id_of(when)) for when in past]
    users = [rows.user(dice.randrange(rows.users_of(size))) for _ in range(100)]
    return {
        "get one": lambda: f"/{dice.choice(ids)}",
        "list by user": lambda: f"?user_id={dice.choice(users)}",
        "list by status": lambda: f"?status={dice.choice(('sent', 'failed', 'expired'))}",
        "first page": lambda: "",
        "with a cursor": lambda: f"?cursor={dice.choice(ids)}&status=sent",
    }


def _read(lab: Lab, path: Callable[[], str], times: int) -> list[float]:
    """One request after another."""
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        lab.system.call("GET", f"/notifications{path()}")
        seconds.append(time.perf_counter() - began)
    return seconds
