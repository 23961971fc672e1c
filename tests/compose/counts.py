"""What the gateway counts, made comparable: `GET /api/v1/reconcile` before and after something that must lose nothing."""

from collections.abc import Iterator, Mapping
from typing import Any


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The counts that are not the same, a line each; times are left out, as they differ between any two answers."""
    then, now = dict(_counts(before["channels"])), dict(_counts(after["channels"]))
    return [
        f"{name}: {then.get(name)} before, {now.get(name)} after"
        for name in sorted(then.keys() | now.keys())
        if then.get(name) != now.get(name)
    ]


def ledgers_answer(answer: Mapping[str, Any]) -> bool:
    """Whether each channel's ledger has been read; for a moment after a start none has."""
    return all(channel["ledger"] is not None for channel in answer["channels"].values())


def _counts(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, int]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _counts(value, f"{path}{name}.")
        elif isinstance(value, int):
            yield f"{path}{name}", value
