"""How the items of an HTML list are numbered (HTML 4.4.5 and 4.4.8, and CSS `list-style`)."""

import re
from collections.abc import Callable, Mapping

from turbohtml import Element

BULLET = "* "
_INTEGER = re.compile(r"\s*([+-]?\d{1,9})(?!\d)")
_ROMAN = (
    *((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl")),
    *((10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")),
)


def _letters(number: int) -> str:
    """1 is a, 27 is aa. There are no letters for less than 1."""
    letters = ""
    rest = number
    while rest > 0:
        rest, letter = divmod(rest - 1, 26)
        letters = chr(ord("a") + letter) + letters
    return letters or str(number)


def _roman(number: int) -> str:
    if not 0 < number < 4_000:
        return str(number)
    numeral = ""
    for value, letters in _ROMAN:
        count, number = divmod(number, value)
        numeral += letters * count
    return numeral


_NUMERALS: Mapping[str, Callable[[int], str]] = {
    "1": str,
    "a": _letters,
    "A": lambda number: _letters(number).upper(),
    "i": _roman,
    "I": lambda number: _roman(number).upper(),
}
_STYLES = {
    "decimal": "1",
    "lower-alpha": "a",
    "lower-latin": "a",
    "upper-alpha": "A",
    "upper-latin": "A",
    "lower-roman": "i",
    "upper-roman": "I",
    "disc": "*",
    "circle": "*",
    "square": "*",
    "none": "",
}


class ListNumbering:
    """The items of one list, as they come."""

    def __init__(self, element: Element, list_style: str) -> None:
        self._kind = _kind(element, list_style)
        self._step = 1
        first = 1
        if element.tag == "ol" and element.attr("reversed") is not None:
            self._step = -1
            first = sum(1 for child in element.children if isinstance(child, Element) and child.tag == "li")
        self._next = _integer(element.attr("start"), first)

    def marker(self, item: Element) -> str:
        """What stands before the next item: `* `, `3. `, `c. `, or nothing."""
        number = _integer(item.attr("value"), self._next)
        self._next = number + self._step
        numeral = _NUMERALS.get(self._kind)
        if numeral is None:
            return BULLET if self._kind else ""
        return f"{numeral(number)}. "


def _kind(element: Element, list_style: str) -> str:
    for word in list_style.split():
        if word in _STYLES:
            return _STYLES[word]
    kind = element.attr("type") or ""
    if element.tag == "ol":
        return kind if kind in _NUMERALS else "1"
    return "*"


def _integer(text: str | None, default: int) -> int:
    found = _INTEGER.match(text or "")
    return int(found.group(1)) if found else default
