"""Starts the baselines beside a lab. `Lab.fresh` and `Lab.stop` end them."""

from bench.baselines.looking_up import fill
from bench.database import Database
from bench.lab import Lab
from bench.ports import quiet_port
from bench.users import Users
from testkit.eventually import wait_until
from testkit.servers.process import listens

BARE = "baseline: bare endpoint"
ACCEPTING = "baseline: accepting"
DELIVERING = "baseline: delivering"
LOOKING_UP = "baseline: looking up"
SINK_PORTS = {"email": ("smtp", "smtp_port"), "push": ("fcm", "fcm_port")}


def start_bare(lab: Lab) -> int:
    """Returns its port."""
    return _start_app(lab, BARE, "bench.baselines.bare", {})


def start_pipeline(lab: Lab, channel: str, users: Users) -> int:
    """Returns the port of the accepting half. The delivering half is consuming by then. COLD users are looked up."""
    env = {"DATABASE_URL": lab.new_database("baseline"), "RABBITMQ_URL": lab.rabbit.url}
    if users is Users.COLD:
        env["USERS_URL"] = f"http://127.0.0.1:{_start_users(lab)}"
    port = _start_app(lab, ACCEPTING, "bench.baselines.accepting", env)
    kind, fact = SINK_PORTS[channel]
    lab.children.start(DELIVERING, "bench.baselines.delivering", kind, lab.providers.facts[fact], env=env)
    lab.children.said(DELIVERING)
    return port


def _start_users(lab: Lab) -> int:
    """Returns its port. They have a database of their own, like the user service's."""
    url = lab.new_database("floor_users")
    database = Database(url)
    try:
        fill(database, lab.fixtures.users)
    finally:
        database.close()
    return _start_app(lab, LOOKING_UP, "bench.baselines.looking_up", {"DATABASE_URL": url})


def _start_app(lab: Lab, name: str, module: str, env: dict[str, str]) -> int:
    port = quiet_port()
    lab.children.start(name, module, str(port), env=env)
    wait_until(lambda: listens(port), 30, name)
    return port
