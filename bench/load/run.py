"""Runs a generator from the harness, to its end or in the background."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from uuid import uuid4

from bench.load.plan import LoadReport, Plan


class Generator:
    """A running generator. `end` waits for it; `stop` ends it early."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        name = uuid4().hex
        self._plan, self._report = folder / f"{name}.plan.json", folder / f"{name}.report.json"
        self._plan.write_text(json.dumps(asdict(plan)))
        command = [sys.executable, "-m", "bench.load", str(self._plan), str(self._report)]
        self._process = subprocess.Popen(command, start_new_session=True)

    def end(self) -> LoadReport:
        """Raises RuntimeError if a request was refused: a case with refusals measures something else."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        if self._process.wait():
            raise RuntimeError(f"the load generator ended with {self._process.returncode}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        report = LoadReport.read(self._report)
        self._report.unlink()
        if report.refused:
            raise RuntimeError(f"{report.refused} of the load were refused: {report.first_refusal}")
        return replace(report, cpu_seconds=_cpu(after) - _cpu(before))

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def generate(folder: Path, plan: Plan) -> LoadReport:
    generator = Generator(folder, plan)
    try:
        return generator.end()
    finally:
        generator.stop()


def output_of(command: Sequence[str], env: dict[str, str]) -> tuple[str, float]:
    """The output of another generator, and its CPU seconds. It is killed if we are interrupted."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, env={**os.environ, **env}, check=False, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stdout}{done.stderr}")
    return done.stdout, _cpu(after) - _cpu(before)


def _cpu(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime
