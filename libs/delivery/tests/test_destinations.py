"""Where the deliveries of a notification go after the user has changed an address or a device."""

import pytest

from delivery.channel import Target
from delivery.recipients import Destination, destinations


def _targets(names: str) -> list[Target[str]]:
    return [Target(name, "Ada", f"address of {name}") for name in names]


@pytest.mark.parametrize(
    ("accepted", "current", "expected"),
    [
        ("a", "a", "a>a"),
        ("a", "b", "a>b"),
        ("a", "", "a>-"),
        ("ab", "ba", "a>a b>b"),
        ("ab", "b", "a>- b>b"),
        ("ab", "bc", "a>c b>b"),
        ("ab", "cd", "a>c b>d"),
        ("a", "ab", "a>a +b"),
        ("ab", "acd", "a>a b>c +d"),
    ],
)
def test_each_delivery_keeps_its_key_and_goes_to_one_place(accepted: str, current: str, expected: str) -> None:
    found = destinations(_targets(accepted), _targets(current))
    assert " ".join(_shown(one) for one in found) == expected
    targets = [one.target.key for one in found if one.target is not None]
    assert len(targets) == len(set(targets)), "no address gets it twice"


def _shown(one: Destination[str]) -> str:
    where = "-" if one.target is None else one.target.key
    return f"+{where}" if one.added_later else f"{one.key}>{where}"
