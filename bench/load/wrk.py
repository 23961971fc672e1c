"""wrk, for cases in which the load generator must cost little: one thread, 64 connections, each waiting for its
response.
"""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from bench.load.run import output_of
from testkit.servers.process import require

SCRIPT = Path(__file__).with_name("post.lua")
MARK = "RESULT "
CONNECTIONS = 64
TIMEOUT = ("--timeout", "20s")  # slow responses are no errors: the percentiles show them


@dataclass(frozen=True, slots=True)
class WrkReport:
    """wrk's counts: `answered` requests were all accepted. `percentiles` are in milliseconds."""

    answered: int
    seconds: float
    percentiles: dict[str, float]
    cpu_seconds: float

    @property
    def rate(self) -> float:
        return self.answered / self.seconds


def post_singles(port: int, *, key: str, users: Sequence[str], seconds: float) -> WrkReport:
    """Raises RuntimeError if a request was refused or failed, FileNotFoundError if wrk is missing."""
    options = ["-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", *TIMEOUT, "-s", str(SCRIPT)]
    with tempfile.NamedTemporaryFile("w", suffix=".users") as file:  # too many for its environment
        file.write("\n".join(users))
        file.flush()
        env = {"BENCH_USERS": file.name, "BENCH_PREFIX": uuid4().hex[:12], "BENCH_KEY": key}
        output, cpu = output_of([require("wrk", "wrk"), *options, f"http://127.0.0.1:{port}"], env)
    return parse(output, cpu)


def parse(output: str, cpu_seconds: float) -> WrkReport:
    line = next((line for line in output.splitlines() if line.startswith(MARK)), None)
    if line is None:
        raise RuntimeError(f"wrk said nothing to count: {output}")
    counted: dict[str, Any] = json.loads(line.removeprefix(MARK))
    if counted["refused"] or counted["broken"]:
        raise RuntimeError(f"requests of wrk were refused or broke: {line}")
    percentiles = {name: counted[name] for name in ("p50", "p95", "p99", "max")}
    return WrkReport(
        counted["requests"],
        counted["microseconds"] / 1_000_000,
        {**percentiles, "count": counted["requests"]},
        cpu_seconds,
    )
