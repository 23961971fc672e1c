"""Reads .github/workflows for the tests."""

import os
import subprocess
from pathlib import Path
from typing import Any

from tests.deploy.manifests import ROOT, read

FOLDER = ROOT / ".github" / "workflows"
Step = dict[str, Any]


def workflow(name: str) -> dict[str, Any]:
    (document,) = read(FOLDER / name)
    return document


def workflow_names() -> list[str]:
    return sorted(path.name for path in FOLDER.glob("*.y*ml"))


def jobs() -> list[tuple[str, dict[str, Any]]]:
    """Every job, as `ci.yml/test`."""
    return [(f"{name}/{job}", body) for name in workflow_names() for job, body in workflow(name)["jobs"].items()]


def steps() -> list[tuple[str, Step]]:
    return [(name, step) for name, job in jobs() for step in job.get("steps", [])]


def scripts() -> list[tuple[str, str]]:
    return [(f"{name}: {step.get('name', step['run'])}", step["run"]) for name, step in steps() if "run" in step]


def script(file: str, job: str, step: str) -> str:
    """What the step of that name runs."""
    (found,) = [body["run"] for body in workflow(file)["jobs"][job]["steps"] if body.get("name") == step]
    return str(found)


def run(
    text: str, folder: Path, environment: dict[str, str], tools: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a step's script as a runner does with `shell: bash`; programs in `tools` stand in for the real ones."""
    path = f"{tools}:{os.environ['PATH']}" if tools else os.environ["PATH"]
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text]
    return subprocess.run(
        command,
        cwd=folder,
        env={"PATH": path, "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
