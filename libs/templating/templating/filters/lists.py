"""Filters for lists. A value that is not a list counts as a list with one item. Nested lists are flattened.

The property of an item that lacks it is nil.
"""

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from functools import wraps
from typing import TypeVar

from liquid.exceptions import FilterArgumentError

from templating.filters.numbers import total
from templating.markup_text import concat, like, plain
from templating.stringify import flattened, text_of
from templating.values import equal, truthy

Result = TypeVar("Result")

_NOTHING = object()


class _NoProperties(Exception):
    """An item is nil or has no properties: the reference then returns nil for the whole list."""


def _or_nil(function: Callable[..., Result]) -> Callable[..., Result | None]:
    @wraps(function)
    def filter_(*args: object) -> Result | None:
        try:
            return function(*args)
        except _NoProperties:
            return None

    return filter_


def join(value: object, separator: object = " ") -> str:
    return concat([text_of(item) for item in items_of(value)], text_of(separator))


def first(value: object) -> object:
    return _end(value, 0)


def last(value: object) -> object:
    return None if isinstance(value, dict) else _end(value, -1)


def size(value: object) -> int:
    match value:
        case None | bool() | float() | Decimal():
            return 0
        case int():
            return max((value.bit_length() + 63) // 64, 1) * 8  # the number of bytes, as in the reference
        case str() | list() | tuple() | range() | dict():
            return len(value)
        case _:
            return 0


def concat_lists(value: object, other: object) -> list[object]:
    if not isinstance(other, (list, tuple)):
        raise FilterArgumentError("concat needs a list", token=None)
    return [*items_of(value), *other]


def map_(value: object, key: object) -> list[object]:
    return [_property_or_nil(item, key) for item in items_of(value)]


def reverse(value: object) -> list[object]:
    return list(items_of(value))[::-1]


@_or_nil
def compact(value: object, key: object = _NOTHING) -> list[object]:
    return [item for item in items_of(value) if _property_or_item(item, key) is not None]


@_or_nil
def uniq(value: object, key: object = _NOTHING) -> list[object]:
    """The first of each equal items; 1 and 1.0 are different."""
    found: dict[object, object] = {}
    for item in items_of(value):
        found.setdefault(_identity(_property_or_item(item, key)), item)
    return list(found.values())


@_or_nil
def sort(value: object, key: object = _NOTHING) -> list[object]:
    """Numbers or texts in their order, nil last."""
    return _sorted(value, key, _comparable)


@_or_nil
def sort_natural(value: object, key: object = _NOTHING) -> list[object]:
    """By the printed text, ignoring case; nil last."""
    return _sorted(value, key, lambda values: [plain(text_of(item)).lower() for item in values])


@_or_nil
def where(value: object, key: object, target: object = None) -> list[object]:
    return [item for _, item in _matching(value, key, target)]


@_or_nil
def reject(value: object, key: object, target: object = None) -> list[object]:
    if key is None:
        return []
    chosen = {index for index, _ in _matching(value, key, target)}
    return [item for index, item in enumerate(items_of(value)) if index not in chosen]


@_or_nil
def find(value: object, key: object, target: object = None) -> object:
    return next((item for _, item in _matching(value, key, target)), None)


@_or_nil
def find_index(value: object, key: object, target: object = None) -> int | None:
    return next((index for index, _ in _matching(value, key, target)), None)


@_or_nil
def has(value: object, key: object, target: object = None) -> bool:
    return any(True for _ in _matching(value, key, target))


def sum_(value: object, key: object = _NOTHING) -> int | float:
    if key is _NOTHING or key is None:
        return total(list(items_of(value)))
    return total(list(flattened(_property_or_nil(item, key) for item in items_of(value))))


def items_of(value: object) -> Iterable[object]:
    """The items that a filter for lists processes."""
    match value:
        case list() | tuple():
            return flattened(value)
        case range():
            return value
        case None:
            return ()
        case _:
            return (value,)


def _end(value: object, index: int) -> object:
    match value:
        case str():
            return like(value, value[index:][:1])
        case dict():
            return list(next(iter(value.items()))) if value else None
        case list() | tuple() | range():
            return value[index] if value else None
        case _:
            return None


def _matching(value: object, key: object, target: object) -> Iterator[tuple[int, object]]:
    anything = target is None
    for index, item in enumerate(items_of(value)):
        found = _property(item, key)
        if truthy(found) if anything else equal(found, target):
            yield index, item


def _property_or_item(item: object, key: object) -> object:
    return item if key is _NOTHING or key is None else _property(item, key)


def _property_or_nil(item: object, key: object) -> object:
    try:
        return _property(item, key)
    except _NoProperties:
        return None


def _property(item: object, key: object) -> object:
    """The item's value under the key, or nil. Raises FilterArgumentError for items that cannot have that key, and
    _NoProperties for those that cannot have any.
    """
    match item:
        case None | bool() | float() | Decimal():
            raise _NoProperties
        case dict():
            return item.get(plain(key) if isinstance(key, str) else key)
        case str() if isinstance(key, str):
            return key if plain(key) in plain(item) else None
        case int() if isinstance(key, int) and not isinstance(key, bool):
            return item >> min(max(key, 0), 1 << 20) & 1  # one bit of it, as in the reference
        case _:
            raise FilterArgumentError("an item cannot have such a property", token=None)


def _sorted(value: object, key: object, order: Callable[[list[object]], list[object]]) -> list[object]:
    items = list(items_of(value))
    by = [_property_or_item(item, key) for item in items]
    named = [index for index, found in enumerate(by) if found is not None]
    keys = dict(zip(named, order([by[index] for index in named]), strict=True))
    ordered = sorted(named, key=keys.__getitem__)  # type: ignore[arg-type]  # `order` has made sure of it
    return [items[index] for index in ordered] + [item for item, found in zip(items, by, strict=True) if found is None]


def _comparable(values: list[object]) -> list[object]:
    if all(isinstance(value, str) for value in values):
        return [plain(text_of(value)) for value in values]
    if all(isinstance(value, (int, float, Decimal)) and not isinstance(value, bool) for value in values):
        return values
    if not all(equal(value, values[0]) for value in values):
        raise FilterArgumentError("cannot sort values of different kinds", token=None)
    return [0] * len(values)


def _identity(value: object) -> object:
    match value:
        case str():
            return plain(value)
        case list() | tuple():
            return (list, *map(_identity, value))
        case None:
            return None
        case dict():
            return (dict, frozenset((key, _identity(item)) for key, item in value.items()))
        case _:
            return (type(value), value)
