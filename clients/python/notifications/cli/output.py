"""What is printed: tables for people, tab-separated lines for pipes, JSON for programs.

Data of others is never interpreted: neither Rich's markup in it, nor sequences that a terminal would act on.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from notifications.cli.exits import ReaderGone

# Control characters (C0, DEL, C1), direction overrides, separators that end a line, halves of surrogate pairs.
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# The same without what JSON escapes by itself.
UNSAFE_IN_JSON = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

TO_COPY = {"ID", "CREATED"}  # columns that are kept in one line

STYLES = {
    "sent": "green", "delivered": "green", "accepted": "cyan", "queued": "cyan", "pending": "yellow", "failed": "red",
    "unknown": "red", "suppressed": "magenta", "expired": "magenta", "cancelled": "dim", "up": "green", "down": "red",
    "standing": "yellow", "releasing": "cyan", "cancelling": "cyan", "released": "green",
    "ok": "green", "problem": "red", "warning": "yellow",
}  # fmt: skip


class _Screen(Console):
    def on_broken_pipe(self) -> None:
        raise ReaderGone


def screen() -> Console:
    """Standard output. Without a terminal, or with NO_COLOR, it has no colours."""
    return _Screen(markup=False, emoji=False, highlight=False, soft_wrap=True)


def messages() -> Console:
    """Standard error: questions, progress and errors."""
    return Console(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=True)


def is_terminal() -> bool:
    return sys.stdout.isatty()


def safe(value: object) -> str:
    """The value as one line that a terminal only shows."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        value = value.astimezone().strftime("%Y-%m-%d %H:%M:%S") if is_terminal() else value.isoformat()
    return UNSAFE.sub(_escaped, str(value))


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def styled(value: object) -> Text:
    text = safe(value)
    return Text(text, style=STYLES.get(text, ""))


def line(*values: object) -> None:
    """A line of several values, separated by blanks. Each may be a `Text`, which keeps its style."""
    parts = [value if isinstance(value, Text) else Text(safe(value)) for value in values]
    screen().print(Text(" ").join(parts))


def note(message: str) -> None:
    """For people, on stderr, where it is not in the way of the output."""
    messages().print(Text(safe(message)))


def paragraphs(text: str) -> None:
    """A text of several lines, each of them safe."""
    for each in text.splitlines():
        line(each)


def table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """With titles in a terminal; else one line a row, its values separated by tabs."""
    if not is_terminal():
        for row in rows:
            _write("\t".join(safe(value) for value in row) + "\n")
        return
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        shown.add_column(title, overflow="fold", no_wrap=title in TO_COPY)
    for row in rows:
        shown.add_row(*(styled(value) for value in row))
    screen().print(shown)


def show_json(value: Any) -> None:
    _write(_json(value, indent=2) + "\n")


def json_line(value: Any) -> None:
    """One of several values that come one after another."""
    _write(_json(value) + "\n")


def _json(value: Any, indent: int | None = None) -> str:
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=_plain)
    return UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _plain(value: Any) -> Any:
    """Models of the SDK as their fields."""
    dump: Callable[..., Any] | None = getattr(value, "model_dump", None)
    return dump(mode="json") if dump is not None else str(value)


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise ReaderGone from error


def can_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def in_style(value: object, style: str) -> Text:
    return Text(safe(value), style=style)
