"""The system under the bench is ended with everything that it has started."""

import contextlib
import os
import signal
import sys
from pathlib import Path

from bench.ports import quiet_port
from bench.system import BenchSystem
from testkit.eventually import wait_until
from testkit.servers.process import ServerProcess, listens
from testkit.servers.rabbitmq import RabbitServer

PARENT = (
    "import subprocess, sys; subprocess.run([sys.executable, '-m', 'http.server', '--bind', '127.0.0.1', sys.argv[1]])"
)


def test_a_process_that_a_service_has_started_does_not_outlive_it(tmp_path: Path) -> None:
    system = BenchSystem.for_servers(tmp_path, {}, "", RabbitServer(tmp_path))
    port = system.ports["api-gateway"] = quiet_port()
    service = ServerProcess([sys.executable, "-c", PARENT, str(port)], tmp_path / "log")
    system.processes["api-gateway"] = service
    try:
        wait_until(lambda: listens(port), 20, "the child")
        system.kill_all()
        assert not listens(port)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(service.process.pid, signal.SIGKILL)
        system.http.close()
