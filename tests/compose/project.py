"""The compose project of this repository, through docker-compose and docker (COMPOSE names another compose command)."""

import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

from testkit.eventually import wait_until

ROOT = Path(__file__).resolve().parents[2]
COMMAND = shlex.split(os.environ.get("COMPOSE", "docker-compose"))
WAIT_SECONDS = 240.0
ASK_METRICS = """
from os import environ
from urllib.request import Request, urlopen
head = {"Authorization": "Bearer " + environ["METRICS_TOKEN"]}
print(urlopen(Request("http://127.0.0.1:" + environ["PORT"] + "/metrics", headers=head)).read().decode())
"""


class CommandFailed(SystemExit):
    """Ends the program with what the command said, unless somebody expects it."""


def run(*command: str, given: str | None = None) -> str:
    """What the command printed. Raises CommandFailed."""
    done = subprocess.run(command, cwd=ROOT, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandFailed(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout.strip()


def compose(*arguments: str, given: str | None = None) -> str:
    return run(*COMMAND, *arguments, given=given)


def containers(service: str) -> list[str]:
    return compose("ps", "-q", service).split()


def image_bytes(service: str) -> int:
    image = run("docker", "inspect", "-f", "{{.Image}}", containers(service)[0])
    return int(run("docker", "image", "inspect", "-f", "{{.Size}}", image))


def all_healthy(service: str, number: int = 1) -> bool:
    """Whether `number` containers of the service run and all of them say that they are healthy."""
    names = containers(service)
    states = [run("docker", "inspect", "-f", "{{.State.Status}} {{.State.Health.Status}}", name) for name in names]
    return len(states) == number and set(states) == {"running healthy"}


def until(true: Callable[[], bool], what: str, seconds: float = WAIT_SECONDS) -> float:
    """Waits for it and returns the seconds it took; ends the drill when it does not come true in time."""
    try:
        return wait_until(true, seconds, what, every=0.5)
    except TimeoutError as error:
        raise SystemExit(str(error)) from None


def worker_sent(container: str) -> int:
    """How many mails the worker in this container has sent, by its own metrics."""
    return _metric(container, 'notifications_total{status="sent",type="email"}')


def consumers(queue: str) -> int:
    """By the gateway's metrics."""
    return _metric(containers("api-gateway")[0], f'queue_consumers{{queue="{queue}"}}')


def _metric(container: str, series: str) -> int:
    """Asked inside, where the token is; 0 while there is no such series."""
    for line in run("docker", "exec", container, "python", "-c", ASK_METRICS).splitlines():
        if line.startswith(series):
            return int(float(line.split()[-1]))
    return 0
