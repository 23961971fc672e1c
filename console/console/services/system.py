"""The state of the system in sentences."""

from dataclasses import dataclass

from console.services.words import words
from notifications import ServiceHealth, SystemHealth

WORST = ("unreachable", "unhealthy", "degraded")


@dataclass(frozen=True, slots=True)
class Summary:
    """`status` is the worst of the services'."""

    status: str
    headline: str


def summary_of(system: SystemHealth) -> Summary:
    states = [one.status for one in system.services]
    bad = sum(state != "healthy" for state in states)
    if not bad:
        return Summary("healthy", f"All {len(states)} services are healthy.")
    worst = next((one for one in WORST if one in states), "degraded")
    return Summary(worst, f"{bad} of {len(states)} services {'needs' if bad == 1 else 'need'} attention.")


def note_on(service: ServiceHealth) -> str:
    """What the state means, in one sentence; nothing if all is well."""
    names = sorted(words(name) for name, one in service.dependencies.items() if one.status != "up")
    down = f": {' and '.join(names)} {'is' if len(names) == 1 else 'are'} down" if names else ""
    match service.status:
        case "unreachable":
            return "It did not answer in time: it is down, or the gateway cannot reach it."
        case "unhealthy":
            return f"It cannot work{down}."
        case "degraded":
            return f"It works with restrictions{down}."
    return ""
