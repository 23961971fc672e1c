"""The commands that the documents print: they parse, what they name exists, and what can be run here is run."""

import importlib.util
import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import asyncpg
import httpx2
import pytest

from devstack.plan import SERVICES
from testkit.eventually import wait_until
from testkit.servers.process import ServerProcess, free_port
from tests.test_documents import FENCE, ROOT, code, documents

PYTHON = str(Path(sys.executable).parent)
ELSEWHERE = {"sms_service", "app", "http", "pip", "venv"}  # the guide's example that is yet to be made; Python's own


def shells(name: str) -> list[str]:
    return [body for kind, body in FENCE.findall((ROOT / name).read_text()) if kind in {"", "bash", "sh"}]


@pytest.mark.parametrize(
    "name",
    [name for name in documents() if any("bash" in kind for kind, _ in FENCE.findall((ROOT / name).read_text()))],
)
def test_every_block_of_commands_is_one_that_a_shell_can_read(name: str) -> None:
    for kind, body in FENCE.findall((ROOT / name).read_text()):
        if kind in {"bash", "sh"}:
            done = subprocess.run(["bash", "-n"], input=body, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{body}\n{done.stderr}"


@pytest.mark.parametrize("name", documents())
def test_every_python_module_that_is_run_can_be_run(name: str) -> None:
    for module in set(re.findall(r"python3? -m ([a-z_][\w.]*)", code(name))) - ELSEWHERE:
        found = importlib.util.find_spec(module)
        assert found is not None, module
        if found.submodule_search_locations:
            assert importlib.util.find_spec(f"{module}.__main__"), f"{module} is a package without a __main__"


# Commands that this project gives → what is asked for its options.
OPTIONS = {
    "make up": ["devstack", "up"],
    "make demo": ["devstack", "demo"],
    "make chaos": ["tests.chaos"],
    "make soak": ["tests.soak"],
    "make fuzz": ["tests.fuzzing"],
    "make bench": ["bench"],
    "python -m user_service create-admin": ["user_service", "create-admin"],
    "python -m devstack.simulators": ["devstack.simulators"],
    "notify login ": ["notifications.cli", "login"],
    "notify send ": ["notifications.cli", "send"],
    "notify list ": ["notifications.cli", "list"],
    "notify hold ": ["notifications.cli", "hold"],
    "notify release ": ["notifications.cli", "release"],
    "notify send-csv ": ["notifications.cli", "send-csv"],
    "notify import ": ["notifications.cli", "import"],
    "notify templates push ": ["notifications.cli", "templates", "push"],
    "notify templates preview ": ["notifications.cli", "templates", "preview"],
    "notify templates trial ": ["notifications.cli", "templates", "trial"],
}


@pytest.mark.parametrize("command", OPTIONS)
def test_every_option_of_our_own_commands_exists(command: str) -> None:
    text = "\n".join([*(code(name) for name in documents()), (ROOT / "Makefile").read_text()])
    lines = [line for line in text.split("\n") if command in line]
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", " ".join(line.partition(command)[2] for line in lines)))
    asked = subprocess.run(
        [sys.executable, "-m", *OPTIONS[command], "--help"], cwd=ROOT, capture_output=True, text=True, check=True,
        env={**os.environ, "COLUMNS": "200", "TERM": "dumb"},
    ).stdout  # fmt: skip
    assert lines
    assert {option for option in named if option not in asked} == set()


def test_every_path_of_the_gateway_that_is_called_exists() -> None:
    """`curl` and backticks alike."""
    known = {
        re.sub(r"\{[^}]*\}", "{}", path)
        for service in SERVICES[:3]
        for path in json.loads((ROOT / service / "openapi.json").read_text())["paths"]
    } | {"/metrics", "/docs", "/api/docs", "/openapi.json"}
    text = "\n".join(code(name) for name in documents())
    called = set(re.findall(r"localhost:800[0-2](/[\w/{}.$-]*)", text))
    plain = {re.sub(r"\$\w+|\{\w+\}", "{}", path).rstrip("/") or "/" for path in called}
    assert len(plain) > 5
    assert {path for path in plain if path not in known} == set()


STATEMENT = re.compile(r'^sql (\w+) "(.*?)"$', re.MULTILINE | re.DOTALL)


async def test_every_statement_of_the_guides_runs_on_the_database_that_it_names(databases) -> None:
    """Reading ones as they are printed; what changes something is in prose, with the values left to the reader."""
    statements = [found for name in documents() for body in shells(name) for found in STATEMENT.findall(body)]
    assert len(statements) > 5
    for database, group in itertools.groupby(sorted(statements), key=lambda found: found[0]):
        url = await databases(ROOT / database.replace("_", "-") / "alembic")
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        for _, statement in group:
            await connection.fetch(
                re.sub(r"\bNOTIFICATION_ID\b|\$ID\b", "01a2013a-c30a-7000-8000-000000000000", statement)
            )
        await connection.close()


async def test_the_commands_for_real_servers_run_as_the_guide_prints_them(databases, tmp_path: Path) -> None:
    """Migrate and serve, each in its folder. The database is an empty one; brokers and peers may come later."""
    section = (ROOT / "docs/how-to/run-on-servers.md").read_text()
    lines = re.findall(r"^\((cd [\w-]+ && .*)\)", section, re.MULTILINE)
    assert sorted(line.split()[1] for line in lines) == sorted(SERVICES)
    running = []
    try:
        for line in lines:
            port, log = free_port(), tmp_path / f"served-{line.split()[1]}.txt"
            env = {
                "PATH": f"{PYTHON}:{os.environ['PATH']}",
                "DATABASE_URL": await databases(None),
                "HOST": "127.0.0.1",
                "PORT": str(port),
                "ADMIN_PASSWORD": "a-password-of-the-test",
            }
            served = re.sub(r"(.*)python", r"\1exec python", line)  # the last command, so that it gets the signals
            running.append(ServerProcess(["bash", "-ec", f"cd '{ROOT}'; {served}"], log, env))
            url = f"http://127.0.0.1:{port}/health"
            wait_until(lambda url=url: _database(url) == "up", 60, f"{line} (see {log.read_text()[-500:]})")
            assert "Traceback" not in log.read_text()
    finally:
        for process in running:
            process.stop()


def _database(url: str) -> str | None:
    try:
        return str(httpx2.get(url, trust_env=False).json()["data"]["dependencies"]["database"]["status"])
    except httpx2.HTTPError:
        return None


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_s_tests_are_found_and_measured_from_its_own_folder(service: str, tmp_path: Path) -> None:
    """`pytest tests/ -v --cov=…`, as the documents say in place of the brief's `--cov=app`; here they are only collected."""
    command = f"pytest tests/ -v --cov={service.replace('-', '_')}"
    assert re.search(r"pytest tests/ -v --cov=\w+", (ROOT / "docs/start/commands-of-the-brief.md").read_text())
    env = {**os.environ, "PATH": f"{PYTHON}:{os.environ['PATH']}", "COVERAGE_FILE": str(tmp_path / "coverage")}
    done = subprocess.run(
        ["bash", "-ec", f"{command} --collect-only -q"],
        cwd=ROOT / service,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d+ tests collected", done.stdout, re.MULTILINE)
    assert f"{service.replace('-', '_')}/settings.py" in done.stdout
