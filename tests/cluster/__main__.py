"""`make cluster`: three nodes of PostgreSQL and RabbitMQ, and two or three of each service, made from nothing; upgraded,
killed and cut off under load; each time the proof, and a count of copies.

Needs a Docker engine and a .env (`make env`). It removes what an earlier run left, and leaves the cluster running.
"""

import argparse
import secrets
import signal
import sys
import urllib.error
from collections.abc import Callable, Iterator

from chassis.server.commands import plain_end
from testkit.eventually import pause
from tests.cluster import containers
from tests.cluster.containers import NUMBERS, POSTGRES, PREVIOUS, RABBITMQ, RELEASE, one
from tests.cluster.measure import HEAD, Load, Row, measured
from tests.cluster.providers import Providers, running_providers
from tests.compose.api import GATEWAY, Api, call
from tests.compose.project import compose, run, until

USERS = 50
AWAY_SECONDS = 15.0
UPGRADE = "upgrade by a release, with its migrations"
TEMPLATE = {
    "code": "welcome", "name": "Welcome", "language": "en", "subject": "Hello {{ name }}", "title": "Hi {{ name }}",
    "content": "<p>Hello {{ name }}, <a href='{{ link }}'>open</a></p>", "body": "Look", "link": "{{ link }}",
}  # fmt: skip
Fault = tuple[str, Callable[[], None]]


def killed(service: str, number: int = 0) -> Fault:
    def happens() -> None:
        container = one(service, number)
        containers.kill(container)
        pause(AWAY_SECONDS)
        containers.start(container)
        containers.all_well()

    return f"{service} killed" if NUMBERS[
        service
    ] == 1 else f"{service} {number + 1} of {NUMBERS[service]} killed", happens


def cut_off(service: str) -> Fault:
    def happens() -> None:
        container = one(service)
        containers.cut_off(container)
        pause(AWAY_SECONDS)
        containers.connect(container, service)
        containers.all_well()

    return f"{service} cut off from the network", happens


def primary_killed() -> Fault:
    """Its standby takes over by itself; when the old primary comes back, it is a standby."""

    def happens() -> None:
        old = containers.primary()
        containers.kill(one(old))
        until(lambda: containers.primary() not in {"", old}, "another primary", 60)
        pause(AWAY_SECONDS)
        containers.start(one(old))
        containers.all_well()

    return "PostgreSQL's primary killed", happens


def primary_cut_off() -> Fault:
    def happens() -> None:
        old = containers.primary()
        containers.cut_off(one(old))
        others = [node for node in POSTGRES if node != old]
        until(
            lambda: "f" in [containers.sql(node, "SELECT pg_is_in_recovery()") for node in others],
            "another primary",
            60,
        )
        pause(AWAY_SECONDS)
        containers.connect(one(old), old)
        containers.all_well()

    return "PostgreSQL's primary cut off", happens


def standby_killed() -> Fault:
    def happens() -> None:
        container = one(next(node for node in POSTGRES if node != containers.primary()))
        containers.kill(container)
        pause(AWAY_SECONDS)
        containers.start(container)
        containers.all_well()

    return "PostgreSQL's standby killed", happens


def rolling_restart() -> Fault:
    """Every container, one after the other, each when all of its kind are well again."""

    def happens() -> None:
        for service in containers.NUMBERS:
            for container in containers.of(service):
                containers.restart(container)
                until(lambda name=service: containers.well(name), f"{service} healthy")
        containers.all_well()

    return "rolling restart of everything", happens


def upgrade() -> Fault:
    """As docs/operations/upgrading.md says: the migrations, then each container."""

    def happens() -> None:
        containers.use_images(RELEASE)
        for service in containers.SERVICES:
            containers.migrate(service)
        for service in containers.SERVICES:
            for container in containers.of(service):
                containers.replace(container, service)
                until(lambda name=service: containers.well(name), f"{service} healthy")

    return UPGRADE, happens


def faults() -> Iterator[Fault]:
    yield "nothing", lambda: pause(AWAY_SECONDS)
    yield upgrade()
    for number in range(NUMBERS["api-gateway"]):
        yield killed("api-gateway", number)
    for service in ("user-service", "template-service", "email-worker", "push-worker", *RABBITMQ, "redis"):
        yield killed(service)
    yield primary_killed()
    yield primary_cut_off()
    yield standby_killed()
    yield cut_off(RABBITMQ[1])
    yield rolling_restart()


def prepared_load(rate: float, providers: Providers) -> Load:
    password, email = secrets.token_urlsafe(16), f"admin-{secrets.token_hex(4)}@example.com"
    command = ("python", "-m", "user_service", "create-admin", "--email", email, "--password-stdin")
    run("docker", "exec", "-i", containers.one("user-service"), *command, given=f"{password}\n")
    api = Api(email, password)
    answer = call("POST", f"{GATEWAY}/api/v1/auth/login", {"email": email, "password": password})
    api.post("templates/", TEMPLATE)
    users = []
    for _ in range(USERS):
        address, token = f"{secrets.token_hex(8)}@example.com", secrets.token_hex(16)
        person = {"name": "Ada", "email": address, "push_token": token, "preferences": {"email": True, "push": True}}
        users.append(str(api.post("users/", {**person, "password": secrets.token_urlsafe(16)})["id"]))
    return Load(api, f"Bearer {answer['data']['access_token']}", users, rate, providers)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=220, help="notifications a second that the clients post")
    parser.add_argument("--only", default="", help="only faults whose name has this word")
    parser.add_argument(
        "--previous", help="the commit that is upgraded; by default the one before the newest migration"
    )
    options = parser.parse_args()
    run("docker", "version", "--format", "{{.Server.Version}}")  # compose's own words about a missing engine are long
    with running_providers() as providers:
        containers.use(providers.environment)
        compose("down", "-v", "--remove-orphans")
        compose("build")
        wanted = [fault for fault in faults() if options.only.lower() in fault[0].lower()]
        if UPGRADE in dict(wanted):
            containers.build_release(options.previous or containers.previous_release(), PREVIOUS)
            containers.use_images(PREVIOUS)
        containers.up()
        load = prepared_load(options.rate, providers)
        rows: list[Row] = []
        print(HEAD, flush=True)
        for name, happens in wanted:
            rows.append(measured(load, name, happens))
            print(rows[-1], flush=True)
    return 0 if all(row.good for row in rows) else 1


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    with plain_end():
        try:
            raise SystemExit(main())
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{error.url}: {error.code} {error.read().decode()[:500]}") from None
