"""Commands whose environment is at fault end with a line that says what it is, and a status; never with a traceback."""

import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chassis.server.commands import plain_end
from chassis.settings import WrongSettings
from testkit.servers.process import free_port
from tests.e2e.notify_command import AT_A_TERMINAL
from tests.test_documents import ROOT


def run(*arguments: str, cwd: Path = ROOT, **environment: str) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done


def ended(*arguments: str, cwd: Path = ROOT, **environment: str) -> tuple[int, str]:
    """The status, and what was said on stderr."""
    done = run(*arguments, cwd=cwd, **environment)
    return done.returncode, done.stderr


def some_offset() -> str:
    return str(free_port() - 11_000)  # at most 50,000


@pytest.fixture
def taken() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield str(other.getsockname()[1])


@pytest.mark.parametrize("command", ["up", "demo"])
def test_the_embedded_stack_refuses_a_setting_with_the_services_own_line(command: str, tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data")) if command == "up" else ()
    status, said = ended("-m", "devstack", command, "--port-offset", some_offset(), *data, LOG_LEVEL="hunter2")
    assert (status, said.count("\n"), "hunter2" in said) == (2, 1, False)
    assert said.startswith("UserSettings: LOG_LEVEL: ")


@pytest.mark.parametrize("module", ["devstack.openapi", "tests.access"])
def test_what_builds_the_services_refuses_it_too(module: str) -> None:
    status, said = ended("-m", module, LOG_LEVEL="hunter2")
    assert (status, said.count("\n"), "hunter2" in said, "LOG_LEVEL" in said) == (2, 1, False, True)


def test_alembic_in_a_service_s_folder_says_what_is_wrong_with_its_environment() -> None:
    alembic, folder = ("-m", "alembic", "current"), ROOT / "user-service"
    status, said = ended(*alembic, cwd=folder, LOG_LEVEL="hunter2")
    assert (status, "LOG_LEVEL" in said, "hunter2" in said) == (2, True, False)
    nowhere = f"postgresql://u:hunter2@127.0.0.1:{free_port()}/d"
    done = run(*alembic, cwd=folder, DATABASE_URL=nowhere)
    said = done.stdout + done.stderr
    assert (done.returncode != 0, "DATABASE_URL" in said, "hunter2" in said) == (True, True, False)


def test_a_data_folder_that_cannot_be_used(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_text("a file")
    up = ("-m", "devstack", "up", "--port-offset", some_offset(), "--data")
    assert ended(*up, str(file)) == (1, f"{file}: File exists\n")
    status, said = ended("-m", "devstack.simulators", "--http-port", "0", "--smtp-port", "0", "--data", str(file))
    assert (status, str(file) in said, said.count("\n")) == (1, True, 1)
    secrets = tmp_path / "other" / "secrets.json"
    secrets.parent.mkdir()
    secrets.write_text("{")
    status, said = ended(*up, str(secrets.parent))
    assert (status, f"{secrets} is damaged" in said, said.count("\n")) == (1, True, 1)


def test_ports_that_are_taken_or_are_none(taken: str, tmp_path: Path) -> None:
    simulators = ("-m", "devstack.simulators", "--data", str(tmp_path), "--apns-port", "0", "--apns-sandbox-port", "0")
    for ports in (("--http-port", taken, "--smtp-port", "0"), ("--smtp-port", taken, "--http-port", "0")):
        status, said = ended(*simulators, *ports)
        assert (status, "in use" in said, taken in said, said.count("\n")) == (1, True, True, 1)
    status, said = ended(*simulators, "--http-port", "99999")
    assert (status, "99999" in said) == (2, True)


def test_arguments_that_cannot_be_used(tmp_path: Path) -> None:
    dns = ("-m", "email_service", "dns", "--check", "--server")
    for server in ("nowhere", "127.0.0.1:x", "127.0.0.1:99999"):
        status, said = ended(*dns, server)
        assert (status, server in said) == (2, True)
    for arguments in ((), ("x",), ("70000",)):
        assert ended("-m", "chassis.probe", *arguments) == (1, "usage: python -m chassis.probe PORT\n")
    assert ended("-m", "testkit.servers", "true") == (1, "usage: python -m testkit.servers -- COMMAND\n")
    assert ended("-m", "bench", "--out", "/dev/null/latest.json") == (1, "/dev/null: File exists\n")
    (tmp_path / ".env").mkdir()
    (tmp_path / ".env.example").write_text("SECRET_KEY=\n")
    make_env = (str(ROOT / "scripts" / "make_env.py"), str(tmp_path))
    assert ended(*make_env) == (1, f"{tmp_path / '.env'}: Is a directory\n")


@pytest.mark.parametrize("module", ["console", "user_service", "email_service"])
def test_ctrl_c_while_a_service_is_still_importing(module: str) -> None:
    process = subprocess.Popen(
        [*AT_A_TERMINAL, sys.executable, "-X", "importtime", "-m", module],
        cwd=ROOT, stderr=subprocess.PIPE, text=True, env={**os.environ, "PORT": str(free_port())},
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:  # a line for each module that was imported
        if line.endswith(" pydantic\n"):
            break
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode in {-signal.SIGINT, 130}
    assert "Traceback" not in said


class _Expected(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (KeyboardInterrupt(), 130, ""),
        (WrongSettings("UserSettings: LOG_LEVEL: no"), 2, "UserSettings: LOG_LEVEL: no\n"),
        (_Expected("not now"), 1, "not now\n"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 1, "/x: Permission denied\n"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "No space left on device\n"),
        (socket.gaierror(-2, "Name or service not known"), 1, "Name or service not known\n"),
    ],
)
def test_what_an_operator_can_cause_is_a_status_and_a_line(
    capsys: pytest.CaptureFixture[str], error: BaseException, status: int, line: str
) -> None:
    with pytest.raises(SystemExit) as end, plain_end(_Expected):
        raise error
    assert (end.value.code, capsys.readouterr().err) == (status, line)


@pytest.mark.parametrize("error", [ValueError("ours"), ConnectionRefusedError(errno.ECONNREFUSED, "refused")])
def test_an_error_of_ours_keeps_its_traceback(error: Exception) -> None:
    with pytest.raises(type(error)), plain_end(_Expected):
        raise error
