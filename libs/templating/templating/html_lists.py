"""Plain text from HTML: lines, words, and lists."""

import re
from collections.abc import Callable, Mapping

from turbohtml import Element

MAX_INDENT = 40  # characters; a list that is nested deeper would consist mostly of spaces


class TextWriter:
    """Collects words. There is no whitespace or empty line at the ends, and never more than one empty line in a row."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.indent = ""
        """What each new line begins with."""
        self.marker = ""
        """What the next line has in place of the last characters of its indent: the number of a list's item."""
        self._lines = 0  # line ends that are due before the next word
        self._blank = False
        self._has_exact = False

    def write(self, text: str) -> None:
        """Writes the words of the text. Any run of whitespace, including no-break spaces, becomes one space."""
        words = text.split()
        if not words:
            self._blank = True
            return
        if text[0].isspace():
            self._blank = True
        self._put(" ".join(words))
        self._blank = text[-1].isspace()

    def write_lines(self, text: str) -> None:
        """Like `write`, but keeps line ends."""
        first, *others = text.split("\n")
        self.write(first)
        for line in others:
            self.break_line()
            self.write(line)

    def write_exactly(self, text: str) -> None:
        """Preformatted text: keeps spaces and line ends, but never more than one empty line in a row."""
        self._has_exact = True
        first, *others = text.replace("\r", "").replace("\N{NO-BREAK SPACE}", " ").split("\n")
        if first:
            self._put(first)
        for line in others:
            self.break_line()
            if line.strip():
                self._put(line)

    def write_on_line(self, text: str) -> None:
        """Adds a word to the line of the last word, even if that line has ended."""
        lines, blank = self._lines, self._blank
        self._lines, self._blank = 0, True
        self._put(text)
        self._lines, self._blank = lines, blank

    def blank(self) -> None:
        self._blank = True

    def end_lines(self, count: int) -> None:
        """The next word begins after at least this many line ends."""
        if count > self._lines:  # noqa: PLR1730 - `max` costs a tenth of a large mail
            self._lines = count

    def break_line(self) -> None:
        self._lines = min(self._lines + 1, 2)

    def text(self) -> str:
        text = "".join(self.pieces)
        return "\n".join(line.rstrip() for line in text.split("\n")) if self._has_exact else text

    def _put(self, text: str) -> None:
        if self._lines or not self.pieces:
            indent, marker = self.indent[:MAX_INDENT], self.marker
            start = "\n" * self._lines if self.pieces else ""
            self.pieces.append(f"{start}{indent[: max(len(indent) - len(marker), 0)]}{marker}")
            self._lines, self.marker = 0, ""
        elif self._blank:
            self.pieces.append(" ")
        self._blank = False
        self.pieces.append(text)


BULLET = "* "
_INTEGER = re.compile(r"\s*([+-]?\d{1,9})(?!\d)")
_ROMAN = (
    *((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl")),
    *((10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")),
)


def _letters(number: int) -> str:
    """1 is a, 27 is aa. There are no letters for numbers below 1."""
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
    """Numbers the items of one list."""

    def __init__(self, element: Element, list_style: str) -> None:
        self._kind = _kind(element, list_style)
        self._step = 1
        first = 1
        if element.tag == "ol" and element.attr("reversed") is not None:
            self._step = -1
            first = sum(1 for child in element.children if isinstance(child, Element) and child.tag == "li")
        self._next = _integer(element.attr("start"), first)

    def marker(self, item: Element) -> str:
        """The text before the next item: `* `, `3. `, `c. `, or nothing."""
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
