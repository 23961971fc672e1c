"""The metrics of a service that runs as several processes: any of them shows the figures of all.

Each process (a member) keeps its values in memory-mapped files of its own, in one folder and in prometheus_client's format,
so that they outlive it. The process that replaces a dead member takes its number and counts on from where it was: no counter
ever goes backwards. A gauge ends with its process; its `multiprocess_mode` says how those of several are put together.

prometheus_client's own multiprocess mode has to be chosen by an environment variable before it is imported, and cannot take a
gauge's series away (`chassis.metrics.Reading` can).
"""

import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Lock
from typing import Any

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, values
from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

PID = "{}.pid"
OLDEST = "process_start_time_seconds"  # the one figure that is not a sum
PROCESSOR = "process_cpu_seconds"


class SharedMetrics:
    """In `folder`, which the parent of all members makes and removes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parent = os.getpid()

    def join(self, member: int) -> None:
        """From now on this process's metrics are those of the member. Before the first metric is made."""
        (self._folder / PID.format(member)).write_text(str(os.getpid()))
        values.ValueClass = _values_in(self._folder, member)

    def forget(self, member: int) -> None:
        """The member has ended: its gauges go, its counters stay."""
        for file in [*self._folder.glob(f"gauge_*_{member}.db"), self._folder / PID.format(member)]:
            file.unlink(missing_ok=True)

    def registry(self) -> CollectorRegistry:
        """What `/metrics` of each member shows. Without `python_gc_*`, which each process has for itself."""
        registry = CollectorRegistry()
        registry.register(_Merged(self._folder))
        registry.register(_ProcessFigures(self._folder, self._parent))
        PlatformCollector(registry=registry)
        return registry


def _values_in(folder: Path, member: int) -> type:
    files: dict[str, MmapedDict] = {}
    lock = Lock()

    class SharedValue:
        """What prometheus_client keeps one number in."""

        _multiprocess = True

        def __init__(  # noqa: PLR0913, PLR0917 - prometheus_client's order
            self,
            typ: str,
            metric_name: str,
            name: str,
            labelnames: list[str],
            labelvalues: list[str],
            help_text: str,
            multiprocess_mode: str = "",
            **_options: Any,
        ) -> None:
            kind = f"{typ}_{multiprocess_mode}" if typ == "gauge" else typ
            with lock:
                if kind not in files:
                    files[kind] = MmapedDict(str(folder / f"{kind}_{member}.db"))  # type: ignore[no-untyped-call]
                self._file = files[kind]
                self._key = mmap_key(metric_name, name, labelnames, labelvalues, help_text)
                self._value: float = self._file.read_value(self._key)[0]  # type: ignore[no-untyped-call]

        def inc(self, amount: float) -> None:
            with lock:
                self._value += amount
                self._file.write_value(self._key, self._value, 0.0)  # type: ignore[no-untyped-call]

        def set(self, value: float, timestamp: float | None = None) -> None:
            with lock:
                self._value = value
                self._file.write_value(self._key, value, timestamp or 0.0)  # type: ignore[no-untyped-call]

        def get(self) -> float:
            return self._value

        def set_exemplar(self, exemplar: object) -> None:
            """Not kept."""

        def get_exemplar(self) -> None:
            return None

    return SharedValue


class _Merged(Collector):
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterator[Metric]:
        files = [str(file) for file in self._folder.glob("*.db") if _has_begun(file)]
        for metric in MultiProcessCollector.merge(files):  # type: ignore[no-untyped-call]
            if metric.type == "gauge":
                metric.samples = [sample for sample in metric.samples if not math.isnan(sample.value)]
            yield metric


def _has_begun(file: Path) -> bool:
    """A file that was just made is empty for a moment; one that was there a moment ago may have been forgotten."""
    try:
        return file.stat().st_size > 0
    except FileNotFoundError:
        return False


class _ProcessFigures(Collector):
    """`process_*` of the parent and its members together; the CPU time of members that have ended is in it."""

    def __init__(self, folder: Path, parent: int) -> None:
        self._folder = folder
        self._parent = parent

    def collect(self) -> Iterable[Metric]:
        ended = self._ended()
        figures = self._living()
        while (now := self._ended()) != ended:  # a member ended meanwhile: it would be missing, or there twice
            ended, figures = now, self._living()
        if PROCESSOR in figures:
            _add(figures[PROCESSOR], ended)
        return figures.values()

    def _living(self) -> dict[str, Metric]:
        found: dict[str, Metric] = {}
        for pid in self._pids():
            for metric in ProcessCollector(pid=lambda pid=pid: pid, registry=None).collect():  # type: ignore[misc]
                known = found.setdefault(metric.name, metric)
                if known is not metric and metric.name != OLDEST:
                    _add(known, metric.samples[0].value)
        return found

    def _pids(self) -> Iterator[int]:
        """The parent's first: it is the oldest."""
        yield self._parent
        for file in self._folder.glob(PID.format("*")):
            try:
                yield int(file.read_text())
            except (FileNotFoundError, ValueError):  # gone, or being written
                continue

    def _ended(self) -> float:
        """Seconds of CPU that the parent's ended members took, as the kernel counts them."""
        try:
            fields = Path(f"/proc/{self._parent}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def _add(metric: Metric, value: float) -> None:
    metric.samples = [metric.samples[0]._replace(value=metric.samples[0].value + value)]
