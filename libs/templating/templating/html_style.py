"""What a `style` attribute means for the text of a mail: what is hidden, what is a line or a box, what keeps its line ends.

Hidden, with everything inside: `display:none`, `opacity:0`, `max-height:0`, and a height or width of 0 with
`overflow:hidden` (the usual ways to hide a preheader). `visibility:hidden` and `font-size:0` hold until an element
inside sets another value: MJML wraps every column in `font-size:0px`.

Not taken as hidden: `mso-hide:all` (buttons use it to show Outlook another version of the same thing), colours, and
positions outside the page. Style sheets are not read: many clients do not read them either.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

_OF_INTEREST = re.compile(r"display|visib|opacity|font|height|width|white-space|list-style", re.IGNORECASE)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_ZERO = re.compile(r"[+-]?(?:0+\.?0*|\.0+)(?:[a-z]*|%)")
_RELATIVE = re.compile(r"[\d.]+(?:em|ex|ch|%)|inherit|unset|larger|smaller")
_FONT_SIZE = re.compile(r"(?:^|\s)((?:\d+\.?\d*|\.\d+)(?:[a-z]+|%)|0)(?=[\s/])")
_LINE_DISPLAYS = frozenset({"block", "table", "flex", "grid", "list-item", "table-row", "flow-root"})
_SPACES: Mapping[str, Literal["exact", "lines", "none"]] = {
    **dict.fromkeys(("pre", "pre-wrap", "break-spaces"), "exact"),
    "pre-line": "lines",
    **dict.fromkeys(("normal", "nowrap"), "none"),
}
_MAX_REMEMBERED = 500


@dataclass(frozen=True, slots=True)
class Style:
    """None: inherited from the parent element."""

    hidden: bool = False
    visible: bool | None = None
    sized: bool | None = None
    """Whether text has a visible size. Pictures are visible at any text size."""
    is_line: bool = False
    is_box: bool = False
    spaces: Literal["exact", "lines", "none"] | None = None
    list_style: str = ""


PLAIN = Style()


def style_of(attribute: str) -> Style:
    """The relevant meaning of this style attribute; `PLAIN` if it has none."""
    # Mails have few styles and use each one many times: 0.1 instead of 1 to 5 microseconds.
    return _remembered(attribute) if len(attribute) <= _MAX_REMEMBERED else _read(attribute)


def _read(attribute: str) -> Style:
    if _OF_INTEREST.search(attribute) is None:
        return PLAIN
    bare = _COMMENT.sub("", attribute) if "/*" in attribute else attribute
    pairs = (one.partition(":") for one in bare.lower().split(";"))
    said = {name.strip(): value.partition("!")[0].strip() for name, colon, value in pairs if colon}
    style = Style(
        hidden=_is_hidden(said),
        visible=None if "visibility" not in said else said["visibility"] not in {"hidden", "collapse"},
        sized=_is_sized(said.get("font-size") or _size_of(said.get("font", ""))),
        is_box=said.get("display") == "inline-block",
        is_line=said.get("display") in _LINE_DISPLAYS,
        spaces=_SPACES.get(said.get("white-space", "")),
        list_style=said.get("list-style-type") or said.get("list-style") or "",
    )
    return PLAIN if style == PLAIN else style


_remembered = lru_cache(maxsize=1_000)(_read)


def _is_hidden(said: Mapping[str, str]) -> bool:
    if said.get("display") == "none" or _is_zero(said, "opacity") or _is_zero(said, "max-height"):
        return True
    boxes = ("height", "width", "max-width")
    return "hidden" in said.get("overflow", "") and any(_is_zero(said, name) for name in boxes)


def _is_sized(size: str) -> bool | None:
    if _ZERO.fullmatch(size):
        return False
    return None if not size or _RELATIVE.fullmatch(size) else True


def _size_of(font: str) -> str:
    size = _FONT_SIZE.search(font)
    return size.group(1) if size else ""


def _is_zero(said: Mapping[str, str], name: str) -> bool:
    return _ZERO.fullmatch(said.get(name, "")) is not None
