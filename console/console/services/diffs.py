"""What differs between two versions of a template: lines, and in changed lines the words."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Literal

from console.services.drafts import PARTS
from notifications import Sender, Template

CONTEXT = 3
# SequenceMatcher's time grows with the square of these, and faster where lines repeat: of many lines, `autojunk` leaves out
# those that are everywhere.
MAX_LINES, MANY_LINES, MAX_WORDS, MAX_CHARACTERS = 4_000, 300, 300, 20_000
LONG_LINE = 240
_WORDS = re.compile(r"\s+|[\w.\-]+|.", re.DOTALL)
_BETWEEN_TAGS = re.compile(r"(?<=>)(?=<)")
SETTINGS = ("channels", "link_schemes", "inline_css", "purpose", "sender")

Kind = Literal["same", "removed", "added", "skipped"]


@dataclass(frozen=True, slots=True)
class Piece:
    text: str
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """`old` and `new` are the line's numbers. Of `skipped` lines there is no text."""

    kind: Kind
    old: int | None = None
    new: int | None = None
    pieces: Sequence[Piece] = ()


@dataclass(frozen=True, slots=True)
class PartDiff:
    """`too_large`: it has changed, and is too large to be compared here."""

    name: str
    lines: Sequence[Line]
    too_large: bool = False

    @property
    def added(self) -> int:
        return sum(line.kind == "added" for line in self.lines)

    @property
    def removed(self) -> int:
        return sum(line.kind == "removed" for line in self.lines)


def differences(old: Template, new: Template) -> list[PartDiff]:
    """The parts and settings that differ."""
    names = [*PARTS, *SETTINGS]
    pairs = [(name, _text(getattr(old, name)), _text(getattr(new, name))) for name in names]
    return [_part(name, before, after) for name, before, after in pairs if before != after]


def _text(value: object) -> str:
    match value:
        case str():
            return value
        case None:
            return ""
        case list():
            return ", ".join(map(str, value))
        case bool():
            return "yes" if value else "no"
        case Sender():
            return "\n".join(f"{name}: {one}" for name, one in value.model_dump().items() if one is not None)
    return str(value)


def _part(name: str, before: str, after: str) -> PartDiff:
    old, new = _lines(before), _lines(after)
    if len(old) > MAX_LINES or len(new) > MAX_LINES:
        return PartDiff(name, (), too_large=True)
    lines: list[Line] = []
    end_old = end_new = 0
    groups = list(SequenceMatcher(None, old, new, autojunk=len(new) > MANY_LINES).get_grouped_opcodes(CONTEXT))
    changed = [code for group in groups for code in group if code[0] != "equal"]
    size = sum(len(line) for _, i1, i2, j1, j2 in changed for line in (*old[i1:i2], *new[j1:j2]))
    for group in groups:
        if group[0][1] > end_old or group[0][3] > end_new:
            lines.append(Line("skipped"))
        for tag, i1, i2, j1, j2 in group:
            same = tag == "equal"
            by_words = size <= MAX_CHARACTERS
            lines += _same(old, i1, i2, j1) if same else _changed(old[i1:i2], new[j1:j2], i1, j1, by_words=by_words)
            end_old, end_new = i2, j2
    if end_old < len(old) or end_new < len(new):
        lines.append(Line("skipped"))
    return PartDiff(name, lines)


def _lines(text: str) -> list[str]:
    """Long lines of HTML end after each tag."""
    lines: list[str] = []
    for line in text.split("\n"):
        lines += _BETWEEN_TAGS.split(line) if len(line) > LONG_LINE else [line]
    return [] if lines == [""] else lines


def _same(old: Sequence[str], start: int, end: int, new_start: int) -> Iterator[Line]:
    for index in range(start, end):
        yield Line("same", index + 1, new_start + index - start + 1, (Piece(old[index]),))


def _changed(old: Sequence[str], new: Sequence[str], at_old: int, at_new: int, *, by_words: bool) -> list[Line]:
    """The removed lines, then the added ones; lines at the same position show which words differ."""
    removed, added = [], []
    for index, (before, after) in enumerate(zip_longest(old, new)):
        left, right = _words(before, after) if by_words else ([Piece(before or "")], [Piece(after or "")])
        if before is not None:
            removed.append(Line("removed", at_old + index + 1, None, left))
        if after is not None:
            added.append(Line("added", None, at_new + index + 1, right))
    return removed + added


def _words(before: str | None, after: str | None) -> tuple[list[Piece], list[Piece]]:
    if before is None or after is None:
        return [Piece(before or "")], [Piece(after or "")]
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    if max(len(old), len(new)) > MAX_WORDS or matcher.ratio() < 0.3:  # another line, not a changed one
        return [Piece(before)], [Piece(after)]
    left, right = [], []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        left += [Piece("".join(old[i1:i2]), tag != "equal")] if i2 > i1 else []
        right += [Piece("".join(new[j1:j2]), tag != "equal")] if j2 > j1 else []
    return left, right
