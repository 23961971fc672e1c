"""Clients that others' generators make of the gateway's document run the README's five calls on the running system.

The documents' own tests are in `tests/openapi/`, and so is what these clients are told to do.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from testkit.system import ADMIN, ROOT, System

FOLDER = ROOT / "tests" / "openapi"
NODE = FOLDER / "node_modules" / ".bin"


@pytest.fixture
def generated(tmp_path: Path, system: System) -> Path:
    """A folder with the gateway's document, as the running gateway gives it."""
    (tmp_path / "openapi.json").write_text(system.http.get(f"{system.gateway}/openapi.json").text)
    return tmp_path


def run(command: Sequence[str | Path], folder: Path, **env: str) -> str:
    environment = {**os.environ, **env}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def test_a_python_client_runs_the_five_calls_with_typed_answers(generated: Path, system: System) -> None:
    uv = shutil.which("uv") or ROOT / ".tools" / "bin" / "uv"
    environment = FOLDER / ".venv"
    run([uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, environment], ROOT)
    install = [uv, "pip", "sync", "--quiet", "--require-hashes", "--python", environment]
    run([*install, FOLDER / "requirements.txt"], ROOT)
    scripts = environment / "bin"
    options = ["--meta", "none", "--config", FOLDER / "python_client.yml", "--output-path", "gateway_client"]
    said = run([scripts / "openapi-python-client", "generate", "--path", "openapi.json", *options], generated)
    assert "WARNING" not in said.upper(), said
    shutil.copy(FOLDER / "five_calls.py", generated)
    run([scripts / "mypy", "--strict", "--follow-imports", "silent", "five_calls.py"], generated, MYPYPATH=".")
    called = run([scripts / "python", "five_calls.py", system.gateway, *ADMIN.values()], generated)
    assert system.follow(json.loads(called)["notification_id"])["status"] == "sent"


def test_a_typescript_client_compiles_and_runs_the_five_calls(generated: Path, system: System) -> None:
    run(["make", (NODE.parent / ".ready").relative_to(ROOT)], ROOT)
    for name in ("five_calls.ts", "tsconfig.json", "package.json"):
        shutil.copy(FOLDER / name, generated)
    (generated / "node_modules").symlink_to(NODE.parent)
    run([NODE / "openapi-typescript", "openapi.json", "--output", "gateway.ts"], generated)
    run([NODE / "tsc", "--project", "."], generated)
    called = run(["node", "five_calls.js", system.gateway, *ADMIN.values()], generated)
    assert system.follow(json.loads(called)["notification_id"])["status"] == "sent"


def test_options_is_true_of_every_path_of_the_gateway_s_document(system: System) -> None:
    """Of forwarded ones, too. Values for the parameters need not exist."""
    document = system.http.get(f"{system.gateway}/openapi.json").json()
    for path, item in document["paths"].items():
        url = system.gateway + path.replace("{code}", "none").replace("{version}", "1")
        url = "/".join("0" * 8 + "-0000-7000-8000-" + "0" * 12 if "{" in step else step for step in url.split("/"))
        answer = system.http.options(url)
        documented = {method.upper() for method in item}
        implied = {"OPTIONS"} | ({"HEAD"} if "GET" in documented else set())
        assert answer.status_code == 204, path
        assert set(answer.headers["Allow"].split(", ")) == documented | implied, path
