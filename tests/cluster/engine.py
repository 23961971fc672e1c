"""The cluster's containers: killed, started, cut off from the network, asked whether they are well."""

import json
import os
import secrets
from collections.abc import Mapping
from itertools import chain

from tests.compose.project import all_healthy, compose, containers, run, until

FILES = "docker-compose.yml:deploy/cluster/docker-compose.yml:tests/cluster/providers.yml"
POSTGRES = ("postgres", "postgres-2", "postgres-3")
RABBITMQ = ("rabbitmq", "rabbitmq-2", "rabbitmq-3")
SCALE = {
    "api-gateway": 2, "user-service": 2, "template-service": 2, "email-worker": 3, "push-worker": 3, "sentinel": 3,
}  # fmt: skip
NUMBERS = {**SCALE, **dict.fromkeys((*POSTGRES, *RABBITMQ, "redis", "redis-2", "balancer"), 1)}
WITHOUT_HEALTH = ("sentinel", "balancer")


def use(environment: Mapping[str, str]) -> None:
    """What compose reads of this process's environment. The project is one of its own: another one's data stays."""
    os.environ.update(
        COMPOSE_FILE=FILES,
        COMPOSE_PROJECT_NAME="notification-cluster",
        GATEWAY_PORT="127.0.0.1:0",  # two gateways; callers come through the balancer
        RABBITMQ_ERLANG_COOKIE=secrets.token_hex(16),
        **environment,
    )


def up() -> None:
    scale = chain.from_iterable(("--scale", f"{name}={number}") for name, number in SCALE.items())
    compose("up", "-d", *scale, *NUMBERS)
    all_well()


def all_well() -> None:
    checked = [name for name in NUMBERS if name not in WITHOUT_HEALTH]
    until(lambda: all(all_healthy(name, NUMBERS[name]) for name in checked), "every container healthy")
    until(lambda: len(standbys()) == 2, "two standbys that stream")
    until(lambda: all(whole(node) for node in RABBITMQ), "three nodes of RabbitMQ in one cluster")


def kill(container: str) -> None:
    run("docker", "kill", container)


def start(container: str) -> None:
    run("docker", "start", container)


def cut_off(container: str) -> None:
    run("docker", "network", "disconnect", "-f", "notification-cluster_data", container)


def connect(container: str, name: str) -> None:
    run("docker", "network", "connect", "--alias", name, "notification-cluster_data", container)


def sql(node: str, statement: str, database: str = "postgres") -> str:
    command = ("psql", "-qtAX", "-U", "postgres", "-d", database, "-c", statement)
    return compose("exec", "-T", node, *command)


def primary() -> str:
    """The node that takes writes."""
    for node in POSTGRES:
        try:
            if sql(node, "SELECT pg_is_in_recovery()") == "f":
                return node
        except SystemExit:  # it does not run
            continue
    raise SystemExit("no PostgreSQL is a primary")


def standbys() -> list[str]:
    try:
        return sql(primary(), "SELECT application_name FROM pg_stat_replication WHERE state = 'streaming'").splitlines()
    except SystemExit:
        return []


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
    """Whether this node of RabbitMQ sees the other two."""
    try:
        answer = compose("exec", "-T", node, "rabbitmqctl", "-q", "cluster_status", "--formatter", "json")
    except SystemExit:
        return False
    return len(json.loads(answer)["running_nodes"]) == len(RABBITMQ)


def one(service: str, number: int = 0) -> str:
    return containers(service)[number]
