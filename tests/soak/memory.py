"""How much memory processes hold, and whether it stays that way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

KIBIBYTES_A_MEBIBYTE = 1024


@dataclass(frozen=True, slots=True)
class Trend:
    """Mebibytes of one process: medians of the second and of the last quarter of its readings, and what lies between.

    The first quarter is left out: caches fill, pools open, code is imported.
    """

    name: str
    early: float
    late: float

    @property
    def growth(self) -> float:
        return self.late - self.early


def resident(pid: int) -> float:
    """Mebibytes that the process holds in memory (RSS); raises FileNotFoundError when it has ended."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / KIBIBYTES_A_MEBIBYTE
    raise FileNotFoundError(f"process {pid} holds no memory: it has ended")


def trends(readings: Mapping[str, Sequence[float]]) -> list[Trend]:
    """One a process, of at least four readings each."""
    return [Trend(name, *_quarters(values)) for name, values in readings.items()]


def _quarters(values: Sequence[float]) -> tuple[float, float]:
    quarter = len(values) // 4
    return median(values[quarter : 2 * quarter]), median(values[-quarter:])
