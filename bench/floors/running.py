"""Starting the floors beside a lab; `Lab.fresh` and `Lab.stop` end them."""

from bench.lab import Lab
from bench.ports import quiet_port
from tests.servers.process import listens, wait_until

BARE = "floor: bare endpoint"
ACCEPTING = "floor: accepting"
DELIVERING = "floor: delivering"
SINK_PORTS = {"email": ("smtp", "smtp_port"), "push": ("fcm", "fcm_port")}


def start_bare(lab: Lab) -> int:
    """Its port."""
    return _start_app(lab, BARE, "bench.floors.bare", {})


def start_pipeline(lab: Lab, channel: str) -> int:
    """The accepting half's port; the delivering half consumes when this returns."""
    env = {"DATABASE_URL": lab.new_database("floor"), "RABBITMQ_URL": lab.rabbit.url}
    port = _start_app(lab, ACCEPTING, "bench.floors.accepting", env)
    kind, fact = SINK_PORTS[channel]
    lab.children.start(DELIVERING, "bench.floors.delivering", kind, lab.providers.facts[fact], env=env)
    lab.children.said(DELIVERING)
    return port


def _start_app(lab: Lab, name: str, module: str, env: dict[str, str]) -> int:
    port = quiet_port()
    lab.children.start(name, module, str(port), env=env)
    wait_until(lambda: listens(port), 30, name)
    return port
