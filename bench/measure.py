"""CPU time and memory of processes with all their children, from /proc.

PostgreSQL's and RabbitMQ's processes leave their parent's session, so a tree is found by parent ids, not by groups.
"""

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Stat:
    """One line of /proc/PID/stat. `ticks` are utime, stime, and both of the children that were waited for."""

    pid: int
    parent: int
    ticks: int


@dataclass(frozen=True, slots=True)
class Memory:
    """In MiB. `pss` distributes shared pages between the processes that use them, so it can be added up."""

    rss: float
    pss: float

    def __add__(self, other: "Memory") -> "Memory":
        return Memory(self.rss + other.rss, self.pss + other.pss)


def parse_stat(text: str) -> Stat:
    """The command's name is in brackets and may contain spaces and brackets itself: fields are counted from the
    last one.
    """
    before, _, after = text.rpartition(")")
    fields = after.split()
    return Stat(int(before.split(" ", 1)[0]), int(fields[1]), sum(map(int, fields[11:15])))


def parse_rollup(text: str) -> Memory:
    """Parses /proc/PID/smaps_rollup."""
    kib = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in text.splitlines()[1:])}
    return Memory(kib.get("Rss", 0) / 1024, kib.get("Pss", 0) / 1024)


def cpu_seconds(roots: Mapping[str, int]) -> dict[str, float]:
    """Name → CPU seconds that the process and all below it have used. One that ended is left out."""
    stats = {stat.pid: stat for stat in _stats()}
    return {
        name: sum(stats[pid].ticks for pid in tree(root, stats)) / TICKS
        for name, root in roots.items()
        if root in stats
    }


def memory(roots: Mapping[str, int]) -> dict[str, Memory]:
    """Name → memory of the process and all below it, now."""
    stats = {stat.pid: stat for stat in _stats()}
    return {
        name: sum((_memory_of(pid) for pid in tree(root, stats)), start=Memory(0, 0))
        for name, root in roots.items()
        if root in stats
    }


def tree(root: int, stats: Mapping[int, Stat]) -> list[int]:
    """`root` and all below it."""
    children = defaultdict(list)
    for stat in stats.values():
        children[stat.parent].append(stat.pid)
    found = [root]
    for pid in found:
        found.extend(children[pid])
    return found


def _stats() -> Iterator[Stat]:
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            try:
                yield parse_stat((folder / "stat").read_text(errors="replace"))
            except OSError:  # it has just ended
                continue


def _memory_of(pid: int) -> Memory:
    try:
        return parse_rollup((PROC / str(pid) / "smaps_rollup").read_text())
    except OSError:
        return Memory(0, 0)
