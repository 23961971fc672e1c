"""The cluster's containers: killed, started, replaced, cut off from the network, asked whether they are well."""

import base64
import json
import os
import tempfile
from collections.abc import Mapping
from itertools import chain
from pathlib import Path

from tests.compose.project import ROOT, CommandFailed, compose, run, until

PROJECT = "notification-cluster"
FILES = "docker-compose.yml:deploy/cluster/docker-compose.yml:tests/cluster/providers.yml"
POSTGRES = ("postgres", "postgres-2", "postgres-3")
RABBITMQ = ("rabbitmq", "rabbitmq-2", "rabbitmq-3")
# The services in the order in which a release is rolled out.
SERVICES = {"user-service": 2, "template-service": 2, "email-worker": 3, "push-worker": 3, "api-gateway": 2}
SCALE = {**SERVICES, "sentinel": 3}
NUMBERS = {**SCALE, **dict.fromkeys((*POSTGRES, *RABBITMQ, "redis", "redis-2", "balancer"), 1)}
PREVIOUS, RELEASE = "previous", "local"  # tags of the services' images
WITHOUT_HEALTH = ("sentinel", "balancer")
IMAGES = {"email-worker": "email-service", "push-worker": "push-service"}  # of the others: the service's own name
LISTED = '{{.Label "com.docker.compose.container-number"}} {{.ID}} {{.Status}}'
# RabbitMQ's own command starts an Erlang machine at every question.
ASK_NODES = r"""exec 3<>/dev/tcp/127.0.0.1/15672
printf 'GET /api/nodes?columns=running HTTP/1.0\r\nHost: localhost\r\nAuthorization: Basic %s\r\n\r\n' "$0" >&3
cat <&3"""


def use(environment: Mapping[str, str]) -> None:
    """What compose reads of this process's environment. The project is one of its own: another one's data stays."""
    os.environ.update(
        COMPOSE_FILE=FILES,
        COMPOSE_PROJECT_NAME=PROJECT,
        GATEWAY_PORT="127.0.0.1:0",  # two gateways; callers come through the balancer
        **environment,
    )
    use_images(RELEASE)


def use_images(tag: str) -> None:
    """For the containers that are made from now on."""
    os.environ["IMAGE_TAG"] = tag


def up() -> None:
    scale = chain.from_iterable(("--scale", f"{name}={number}") for name, number in SCALE.items())
    compose("up", "-d", *scale, *NUMBERS)
    all_well()


def all_well() -> None:
    until(lambda: all(well(name) for name in NUMBERS), "every container healthy")
    until(lambda: len(standbys()) == 2, "two standbys that stream")
    until(lambda: all(whole(node) for node in RABBITMQ), "three nodes of RabbitMQ in one cluster")


def well(service: str) -> bool:
    wanted = "Up " if service in WITHOUT_HEALTH else "(healthy)"
    states = [state for _, state in _listed(service)]
    return len(states) == NUMBERS[service] and all(wanted in state for state in states)


def of(service: str) -> list[str]:
    return [container for container, _ in _listed(service)]


def one(service: str, number: int = 0) -> str:
    return of(service)[number]


def kill(container: str) -> None:
    run("docker", "kill", container)


def start(container: str) -> None:
    run("docker", "start", container)


def restart(container: str) -> None:
    run("docker", "restart", "-t", "45", container)


def replace(container: str, service: str) -> None:
    """By one of the image that is used now."""
    run("docker", "stop", "-t", "45", container)
    run("docker", "rm", container)
    compose("up", "-d", "--no-deps", "--no-recreate", "--scale", f"{service}={NUMBERS[service]}", service)


def migrate(service: str) -> None:
    compose("run", "--rm", "--no-deps", f"{service}-migrate")


def cut_off(container: str) -> None:
    run("docker", "network", "disconnect", "-f", f"{PROJECT}_data", container)


def connect(container: str, name: str) -> None:
    run("docker", "network", "connect", "--alias", name, f"{PROJECT}_data", container)


def build_release(commit: str, tag: str) -> None:
    """The services' images as that commit has them."""
    with tempfile.TemporaryDirectory(prefix="release-") as name:
        archive, folder = Path(name, "release.tar"), Path(name, "release")
        folder.mkdir()
        run("git", "archive", "-o", str(archive), commit)
        run("tar", "-xf", str(archive), "-C", str(folder))
        for service in SERVICES:
            image = IMAGES.get(service, service)
            run(
                "docker",
                "build",
                "-t",
                f"notification/{image}:{tag}",
                "-f",
                f"{folder}/{image}/Dockerfile",
                str(folder),
            )


def previous_release() -> str:
    """The commit before the newest migration."""
    return run("git", "log", "-1", "--format=%H^", "--diff-filter=A", "--", "*/alembic/versions/*.py")


def sql(node: str, statement: str, database: str = "postgres") -> str:
    return run("docker", "exec", one(node), "psql", "-qtAX", "-U", "postgres", "-d", database, "-c", statement)


def primary() -> str:
    """The node that takes writes; empty while none does."""
    for node in POSTGRES:
        try:
            if sql(node, "SELECT pg_is_in_recovery()") == "f":
                return node
        except CommandFailed:  # it does not run
            continue
    return ""


def standbys() -> list[str]:
    node = primary()
    wanted = "SELECT application_name FROM pg_stat_replication WHERE state = 'streaming'"
    return sql(node, wanted).splitlines() if node else []


def ambiguous() -> dict[str, int]:
    """How often the ledgers could not know whether each notification was sent."""
    found: dict[str, int] = {}
    for channel in ("email", "push"):
        question = f"SELECT notification_id, max(ambiguous) FROM {channel}_deliveries WHERE ambiguous > 0 GROUP BY 1"
        for line in sql(primary(), question, f"{channel}_service").splitlines():
            name, times = line.split("|")
            found[name] = int(times)
    return found


def whole(node: str) -> bool:
    """Whether this node of RabbitMQ sees all three run."""
    try:
        answer = run("docker", "exec", one(node), "bash", "-c", ASK_NODES, _login())
        nodes = json.loads(answer.partition("\n\n")[2])
    except (CommandFailed, ValueError):  # it does not run, or not yet
        return False
    return [found.get("running") for found in nodes] == [True] * len(RABBITMQ)


def _login() -> str:
    """Of the user for people, from .env."""
    lines = Path(ROOT, ".env").read_text().splitlines()
    [password] = [line.partition("=")[2] for line in lines if line.startswith("RABBITMQ_PASSWORD=")]
    return base64.b64encode(f"notifications:{password}".encode()).decode()


def _listed(service: str) -> list[tuple[str, str]]:
    """Each container of the service with its state, by number."""
    labels = (f"com.docker.compose.project={PROJECT}", f"com.docker.compose.service={service}")
    filters = chain.from_iterable(("--filter", f"label={label}") for label in labels)
    lines = run("docker", "ps", "-a", *filters, "--format", LISTED).splitlines()
    found = sorted(
        (int(number), container, state) for number, container, state in (line.split(" ", 2) for line in lines)
    )
    return [(container, state) for _, container, state in found]
