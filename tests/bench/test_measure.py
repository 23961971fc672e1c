"""CPU and memory are read from /proc for a process and all below it."""

import os
import subprocess
import sys

from bench.measure import TICKS, Memory, Stat, cpu_seconds, memory, parse_rollup, parse_stat, tree

STAT = "4711 (a (strange) name) S 42 4711 4711 0 -1 4194560 900 800 0 0 11 22 33 44 20 0 1 0 5000 1000000 250"


def test_a_command_with_blanks_and_brackets_does_not_shift_the_fields() -> None:
    assert parse_stat(STAT) == Stat(pid=4711, parent=42, ticks=11 + 22 + 33 + 44)


def test_memory_is_read_in_mib() -> None:
    text = (
        "55a0-7ffc ---p 00000000 00:00 0 [rollup]\nRss:            2048 kB\nPss:            1024 kB\nPss_Anon: 5 kB\n"
    )
    assert parse_rollup(text) == Memory(rss=2.0, pss=1.0)


def test_a_tree_is_a_process_with_all_below_it_and_nobody_else() -> None:
    stats = {pid: Stat(pid, parent, 0) for pid, parent in ((1, 0), (2, 1), (3, 2), (4, 3), (5, 1), (6, 0))}
    assert sorted(tree(2, stats)) == [2, 3, 4]
    assert sorted(tree(1, stats)) == [1, 2, 3, 4, 5]


def test_the_work_of_a_child_counts_for_its_parent_while_it_lives_and_after() -> None:
    burn = "import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass\n"
    grandchild = (
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}]); print('done', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", grandchild], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        used = cpu_seconds({"it": process.pid, "gone": 2**22 + 1})
        held = memory({"it": process.pid})
        process.communicate("\n")
    assert used.keys() == {"it"}
    assert used["it"] >= 0.2 - 1 / TICKS
    assert held["it"].rss >= held["it"].pss > 0


def test_this_process_is_measured_as_the_kernel_counts_it() -> None:
    times = os.times()
    assert cpu_seconds({"me": os.getpid()})["me"] >= times.user + times.system - 2 / TICKS
