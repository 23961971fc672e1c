"""`make drill`: brings the compose file up on a Docker engine and shows, step by step and in figures, that it keeps its word.

It removes the project's containers and volumes first and leaves it running. A step that waits in vain ends the drill and says
for what.
"""

import secrets
import time
import urllib.error
from dataclasses import dataclass
from typing import Any

from chassis.server.commands import plain_end
from testkit.eventually import pause
from tests.compose import api
from tests.compose.api import Api
from tests.compose.counts import differences, ledgers_answer
from tests.compose.load import Load
from tests.compose.project import all_healthy, compose, consumers, containers, image_bytes, run, until, worker_sent

SERVICES = ("api-gateway", "user-service", "template-service", "email-worker", "push-worker")
STORES = ("postgres", "redis", "rabbitmq")
TEMPLATE = "drill"
WORKERS = 5


@dataclass(frozen=True, slots=True)
class Session:
    """An administrator's session and a recipient."""

    gateway: Api
    user: str


def say(what: str, value: object) -> None:
    print(f"{what:<42} {value}", flush=True)


def cold_start() -> None:
    compose("down", "-v", "--remove-orphans")
    compose("build")
    began = time.monotonic()
    compose("up", "-d")
    until(lambda: all(all_healthy(service) for service in (*STORES, *SERVICES)), "every container healthy")
    say("empty volumes to every container healthy", f"{time.monotonic() - began:.0f} s")
    for service in SERVICES:
        say(f"image of {service}", f"{image_bytes(service) / 1e6:.0f} MB")


def idle_memory() -> None:
    for service in (*SERVICES, *STORES):
        used = run("docker", "stats", "--no-stream", "--format", "{{.MemUsage}}", containers(service)[0]).split(" / ")[
            0
        ]
        say(f"idle memory of {service}", used)


def first_mail() -> Session:
    password, email = secrets.token_urlsafe(16), f"admin-{secrets.token_hex(4)}@example.com"
    command = ("python", "-m", "user_service", "create-admin", "--email", email, "--password-stdin")
    compose("exec", "-T", "user-service", *command, given=f"{password}\n")
    gateway = Api(email, password)
    gateway.make_template(TEMPLATE)
    empty = api.mails()
    session = Session(gateway, gateway.make_user(f"drill-{secrets.token_hex(4)}@example.com"))
    until(lambda: api.mails() > empty, "the mail that asks to confirm the address")
    before = api.mails()
    gateway.send(session.user, TEMPLATE, ["first"])
    say(
        "one mail, accepted to seen in the sink",
        f"{until(lambda: api.mails() == before + 1, 'the mail'):.1f} s at most",
    )
    return session


def shared_between_workers(session: Session) -> None:
    compose("up", "-d", "--scale", f"email-worker={WORKERS}")
    until(lambda: all_healthy("email-worker", WORKERS), f"{WORKERS} healthy workers")
    until(lambda: consumers("email.queue") == WORKERS, f"{WORKERS} consumers")
    workers, before = containers("email-worker"), api.mails()
    sent_before = {name: worker_sent(name) for name in workers}
    accepted = session.gateway.send(session.user, TEMPLATE, [f"share-{i}" for i in range(1000)])
    seconds = until(lambda: api.mails() >= before + accepted, "1,000 mails")
    until(lambda: sum(worker_sent(name) - sent_before[name] for name in workers) == accepted, "all counted")
    shares = sorted(worker_sent(name) - sent_before[name] for name in workers)
    say(f"{accepted} mails over {len(shares)} consumers", f"{seconds:.1f} s, each sent {shares}")
    if accepted != 1000 or min(shares) == 0:
        raise SystemExit("the work was not shared")


def nothing_lost(session: Session, what: str, *fault: str) -> None:
    """Load, the fault in the middle of it, then a count of copies: what was accepted is in the sink, once each.

    Only a worker that was killed between the server's answer and its own note of it may have sent one mail again.
    """
    before = api.mails()
    load = Load(session.gateway, session.user, TEMPLATE, what.replace(" ", "-"))
    load.start()
    until(lambda: api.mails() > before + 100, "mails under load")
    run(*fault)
    compose("up", "-d", "--scale", f"email-worker={WORKERS}")
    until(lambda: all_healthy("rabbitmq") and all_healthy("email-worker", WORKERS), "healthy again")
    accepted = load.end()
    until(lambda: session.gateway.unfinished() == 0, "everything ended")
    report, again = session.gateway.reconcile(), api.mails() - before - accepted
    say(
        f"{what} under load",
        f"{accepted} accepted, {max(-again, 0)} lost, {max(again, 0)} sent again, unaccounted {report['unaccounted']}",
    )
    if again < 0 or report["unaccounted"]:
        raise SystemExit("notifications were lost")


def prometheus() -> None:
    until(lambda: len(api.targets()) >= len(SERVICES) and set(api.targets().values()) == {"up"}, "every target up")
    until(lambda: {rule["health"] for rule in api.rules()} == {"ok"}, "every rule evaluates")
    firing = [rule["name"] for rule in api.rules() if rule.get("state") == "firing"]
    say("Prometheus", f"{len(api.targets())} targets up, {len(api.rules())} rules evaluate, firing: {firing or 'none'}")


def down_and_up(session: Session) -> None:
    before = with_ledgers(session)
    compose("down")
    compose("up", "-d")
    until(lambda: all(all_healthy(service) for service in (*STORES, *SERVICES)), "every container healthy again")
    changed = differences(before, with_ledgers(session))
    say("down, then up: the gateway's counts", "; ".join(changed) or "the same")
    if changed:
        raise SystemExit("data was lost")


def with_ledgers(session: Session) -> dict[str, Any]:
    until(lambda: ledgers_answer(session.gateway.reconcile()), "an answer of every ledger")
    return session.gateway.reconcile()


def main() -> None:
    cold_start()
    pause(20)  # at rest
    idle_memory()
    try:
        session = first_mail()
        shared_between_workers(session)
        nothing_lost(session, "docker-compose restart rabbitmq", "docker-compose", "restart", "rabbitmq")
        nothing_lost(session, "a worker killed", "docker", "kill", containers("email-worker")[0])
        prometheus()
        down_and_up(session)
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{error.url}: {error.code} {error.read().decode()[:500]}") from None


if __name__ == "__main__":
    with plain_end():
        main()
