"""The metrics of a service that runs as several processes: each process shows the values of all.

Each process (a member) keeps its values in its own memory-mapped files, in one folder and in prometheus_client's format. So
the values outlive the process. The process that replaces a dead member takes its number and continues its counters, so no
counter ever decreases. A gauge ends with its process; `multiprocess_mode` says how the gauges of several are combined.

prometheus_client's own multiprocess mode must be chosen by an environment variable before the import, and it cannot remove a
gauge's series (`chassis.observability.metrics.Reading` can).
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
OLDEST = "process_start_time_seconds"  # the only process metric that is not a sum
PROCESSOR = "process_cpu_seconds"


class SharedMetrics:
    """Metrics in `folder`. The parent of all members creates and removes the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parent = os.getpid()

    def join(self, member: int) -> None:
        """Makes this process's metrics those of the member. Call it before the first metric is created."""
        (self._folder / PID.format(member)).write_text(str(os.getpid()))
        values.ValueClass = _values_in(self._folder, member)

    def forget(self, member: int) -> None:
        """Call it when the member has ended. Its gauges are removed; its counters remain."""
        for file in [*self._folder.glob(f"gauge_*_{member}.db"), self._folder / PID.format(member)]:
            file.unlink(missing_ok=True)

    def registry(self) -> CollectorRegistry:
        """The registry for `/metrics` of each member. Without `python_gc_*`, which each process has separately."""
        registry = CollectorRegistry()
        registry.register(_Merged(self._folder))
        registry.register(_ProcessFigures(self._folder, self._parent))
        PlatformCollector(registry=registry)
        return registry


def _values_in(folder: Path, member: int) -> type:
    files: dict[str, MmapedDict] = {}
    lock = Lock()

    class SharedValue:
        """The storage of one number, as prometheus_client expects it."""

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
            """Exemplars are not stored."""

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
    """A new file is empty for a moment. A file listed a moment ago may have been removed."""
    try:
        return file.stat().st_size > 0
    except FileNotFoundError:
        return False


class _ProcessFigures(Collector):
    """`process_*` of the parent and its members together, including the CPU time of members that have ended."""

    def __init__(self, folder: Path, parent: int) -> None:
        self._folder = folder
        self._parent = parent

    def collect(self) -> Iterable[Metric]:
        ended = self._ended()
        figures = self._living()
        while (now := self._ended()) != ended:  # a member ended meanwhile: it would be missing, or counted twice
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
        """The parent's pid first: the parent is the oldest."""
        yield self._parent
        for file in self._folder.glob(PID.format("*")):
            try:
                yield int(file.read_text())
            except (FileNotFoundError, ValueError):  # the file is removed, or is being written
                continue

    def _ended(self) -> float:
        """CPU seconds of the parent's ended members, as the kernel counts them."""
        try:
            fields = Path(f"/proc/{self._parent}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def _add(metric: Metric, value: float) -> None:
    metric.samples = [metric.samples[0]._replace(value=metric.samples[0].value + value)]
