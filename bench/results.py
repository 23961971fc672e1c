"""The result of a case, and the file with all results."""

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.checks import Balance

# Requests a second of the bare endpoint, on the machine for which the absolute targets are stated.
REFERENCE_RATE = 4400.0


@dataclass(frozen=True, slots=True)
class Target:
    """`met` is None if there is no target."""

    text: str = ""
    met: bool | None = None

    def __and__(self, other: "Target") -> "Target":
        known = [met for met in (self.met, other.met) if met is not None]
        return Target("; ".join(filter(None, (self.text, other.text))), all(known) if known else None)


@dataclass(frozen=True, slots=True)
class Result:
    """`ratio` is value divided by baseline. `percentiles` are in milliseconds, by what was timed. `more` has additional
    counts.
    """

    value: float
    unit: str
    baseline: float | None = None
    ratio: float | None = None
    percentiles: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    cpu_ms_per_notification: Mapping[str, float] = field(default_factory=dict)
    balance: Balance = field(default_factory=lambda: Balance(0, 0))
    target: Target = field(default_factory=Target)
    more: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Flat, as readers of the file expect it. A run that lost or duplicated a notification is no result, however fast."""
        kept = self.balance == Balance(0, 0)
        return {
            "value": round(self.value, 3),
            "unit": self.unit,
            "baseline": None if self.baseline is None else round(self.baseline, 3),
            "ratio": None if self.ratio is None else round(self.ratio, 3),
            "percentiles": {name: dict(values) for name, values in self.percentiles.items()},
            "cpu_ms_per_notification": {name: round(ms, 3) for name, ms in self.cpu_ms_per_notification.items()},
            **asdict(self.balance),
            "target": self.target.text,
            "met": self.target.met if kept else False,
            "more": dict(self.more),
        }


def failed(error: BaseException) -> dict[str, Any]:
    """In the place of a result, if the case failed."""
    empty = Result(0.0, "", target=Target(f"{type(error).__name__}: {error}"[:300], False))
    return {**empty.as_json(), "lost": None, "duplicated": None}


def at_least(value: float, least: float, what: str) -> Target:
    return Target(f"{what} ≥ {least:g}", value >= least)


def at_most(value: float, most: float, what: str) -> Target:
    return Target(f"{what} ≤ {most:g}", value <= most)


def machine() -> dict[str, Any]:
    """The properties of the machine that the figures depend on."""
    names = {line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")}
    memory = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    return {
        "cpus": len(os.sched_getaffinity(0)),
        "model": ", ".join(sorted(names)) or platform.machine(),
        "memory_mib": memory // 1024,
        "python": platform.python_version(),
        "kernel": platform.release(),
        "load_average_before": round(os.getloadavg()[0], 2),
    }


def refuse_unwritable(path: Path) -> None:
    """Raises OSError now rather than after the first case."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.open("a").close()


def write(path: Path, facts: Mapping[str, Any], started_at: str, cases: Mapping[str, dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"machine": dict(facts), "started_at": started_at, "cases": dict(cases)}
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()
