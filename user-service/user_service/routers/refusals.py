"""How routes declare the errors they answer with."""

from typing import Any

from chassis.envelope import Envelope

DESCRIPTIONS = {
    401: "No valid credentials",
    403: "These credentials do not allow this",
    404: "There is no such thing, or it is another user's",
    409: "It conflicts with what is there",
    429: "Too many attempts; see Retry-After",
    503: "A part this needs is away; see Retry-After",
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Envelope[None], "description": DESCRIPTIONS[status]} for status in statuses}
