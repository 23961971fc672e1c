"""The SDK's documents are true: the guide's examples run, and the README's run on a fresh installation."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from testkit.system import ROOT, System
from tests.test_documents import FENCE

SCOPES = ["notifications:read", "notifications:write", "users:read", "users:write", "templates:read", "templates:write"]


@pytest.fixture
def key(system: System) -> str:
    """With the scopes that the guide names."""
    application = system.call("POST", "/applications", {"name": "documents"})["id"]
    asked = {"name": "sdk", "application_id": application, "scopes": SCOPES}
    return str(system.call("POST", "/api-keys", asked)["key"])


def examples(document: str) -> str:
    return "\n".join(body for kind, body in FENCE.findall((ROOT / document).read_text()) if kind == "python")


def run(python: Path, code: str, system: System, key: str) -> str:
    env = {
        "PATH": os.environ["PATH"],
        "NOTIFICATIONS_URL": system.gateway,
        "NOTIFICATIONS_API_KEY": key,
        "NO_PROXY": "*",
    }
    command = [python, "-W", "error", "-c", code]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_examples_of_the_guide_run_as_printed(system: System, key: str) -> None:
    said = run(Path(sys.executable), examples("docs/how-to/python-sdk.md"), system, key)
    assert "3 accepted, 0 rejected" in said
    assert re.search(r"^missing_variables \['variables\.", said, re.MULTILINE)
    assert re.search(r"^sent None$", said, re.MULTILINE)
    assert "404 template_not_found" in said
    assert "['Grace Hopper', 'Grace Hopper']" in said


def test_it_is_installed_by_itself_and_the_readme_s_example_runs(system: System, key: str, tmp_path: Path) -> None:
    """With pip, into an empty environment."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    quiet = ["--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [python, "-m", "pip", "install", *quiet, ROOT / "clients" / "python"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True, check=True
    )
    names = {line.partition("==")[0].lower() for line in listed.stdout.split()}
    assert not any(name.startswith(("notification-c", "fastapi", "api-gateway")) for name in names), names
    assert run(python, examples("clients/python/README.md"), system, key) == "sent\n"
