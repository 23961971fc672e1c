"""The refusals that routes declare in OpenAPI."""

from chassis.envelope import Envelope

Responses = dict[int | str, dict[str, object]]


def _refusal(description: str) -> dict[str, object]:
    return {"model": Envelope[None], "description": description}


REFUSED: Responses = {
    401: _refusal("No valid access token or API key"),
    403: _refusal("The caller lacks the scope"),
    503: _refusal("The database is away; try again after `Retry-After` seconds"),
}
MISSING: Responses = {404: _refusal("No such template, language or version")}
EXISTS: Responses = {409: _refusal("`template_exists`: it exists in this language; PUT makes a new version")}
