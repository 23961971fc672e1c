"""CPU milliseconds per notification, by process, between two moments."""

from collections.abc import Mapping

OWN = ("api-gateway", "email-service", "push-service", "user-service", "template-service")


def per_notification(
    before: Mapping[str, float], after: Mapping[str, float], number: int, load_seconds: float = 0.0
) -> dict[str, float]:
    """By process, with the sums `services` (ours) and `all` (every process on the machine that took part)."""
    spent = {name: (after[name] - before.get(name, 0.0)) * 1000 / number for name in after}
    if load_seconds:
        spent["load generator"] = load_seconds * 1000 / number
    services = sum(ms for name, ms in spent.items() if name.startswith(OWN))
    return {**spent, "services": services, "all": sum(spent.values())}
