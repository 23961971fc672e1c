"""Values for a template's preview: examples by their names, or what somebody typed."""

import re
from collections.abc import Iterable, Mapping

CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,99}")
EXAMPLES = (
    (re.compile(r"(link|url|href)$", re.IGNORECASE), "https://example.com/"),
    (re.compile(r"email$", re.IGNORECASE), "ada@example.com"),
    (re.compile(r"name$", re.IGNORECASE), "Ada Lovelace"),
    (re.compile(r"(date|_at)$", re.IGNORECASE), "2026-01-31"),
    (re.compile(r"(number|count|amount|total|price|quantity)$", re.IGNORECASE), "42"),
)


def is_code(text: str) -> bool:
    return CODE.fullmatch(text) is not None


def example_values(variables: Iterable[str]) -> dict[str, str]:
    return {name: _example(name) for name in variables}


def _example(name: str) -> str:
    return next((value for pattern, value in EXAMPLES if pattern.search(name)), name.rpartition(".")[2])


def given_values(query: Mapping[str, str], variables: Iterable[str]) -> dict[str, str]:
    """The values of a page's address: `v.name=Ada`."""
    return {name: query[f"v.{name}"][:500] for name in variables if f"v.{name}" in query}


def nested(values: Mapping[str, str]) -> dict[str, object]:
    """`order.id` → `{"order": {"id": …}}`."""
    made: dict[str, object] = {}
    for path, value in values.items():
        *folders, name = path.split(".")
        place = made
        for folder in folders:
            inner = place.setdefault(folder, {})
            if not isinstance(inner, dict):
                break
            place = inner
        else:
            place[name] = value
    return made
