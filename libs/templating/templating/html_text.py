"""Converts HTML to readable text: the text part of a mail whose template has none, and the push of such a template.

turbohtml parses the HTML as browsers do; this module decides how its elements look as text. Every rendered mail is
converted, because loops and values decide what the text is.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from turbohtml import Element, Node, Text, parse

from templating.html_lists import BULLET, ListNumbering, TextWriter
from templating.html_style import PLAIN, Style, style_of
from templating.source import MAX_TAGS_FOR_TEXT, TemplateError

# Line ends before and after. Two line ends make an empty line.
_LINE_ENDS = {
    **dict.fromkeys(("p", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "blockquote", "dl"), 2),
    **dict.fromkeys(("figure", "hr", "listing", "xmp"), 2),
    **dict.fromkeys(("div", "section", "article", "header", "footer", "main", "nav", "aside", "address", "center"), 1),
    **dict.fromkeys(("hgroup", "search", "form", "fieldset", "legend", "figcaption", "details", "summary"), 1),
    **dict.fromkeys(("li", "dt", "dd", "table", "caption", "tr", "option", "dialog"), 1),
}
_LISTS = frozenset({"ul", "ol", "menu", "dir"})
_CELLS = frozenset({"td", "th"})
_PREFORMATTED = frozenset({"pre", "listing", "xmp"})
# Elements that are never shown, or that no mail client shows.
_SKIPPED = frozenset(
    {
        "head",
        "title",
        "style",
        "script",
        "template",
        "iframe",
        "noembed",
        "noframes",
        "datalist",
        "meta",
        "link",
        "base",
    }
)
_INDENTS = {"blockquote": "> ", "dd": "  "}
_SPECIAL = _LISTS | _CELLS | _PREFORMATTED | _INDENTS.keys() | {"a", "br", "img", "li"}
_MAX_ADDRESS_PIECES = 20  # a text with more pieces is not an address; links may contain thousands of links
_SOFT_HYPHEN = "\N{SOFT HYPHEN}"


def html_to_text(html: str) -> str:
    """The text of an HTML document. Links become `text (url)`, pictures their alternative text.

    A table row is a line, and a space follows each cell, because mails use tables for layout. Raises `template_limit` if
    there are too many tags.
    """
    check_tags(html)
    root = parse(html).root
    if root is None:
        return ""
    text = _Conversion(may_hide="hidden" in html.lower()).convert(root)
    return text.replace(_SOFT_HYPHEN, "") if _SOFT_HYPHEN in text else text


def check_tags(html: str) -> None:
    """Raises `template_limit` for a document that would take too long to convert."""
    if html.count("<") > MAX_TAGS_FOR_TEXT:
        raise TemplateError("template_limit", "too many tags to make a text part from: give the template one", "text")


@dataclass(frozen=True, slots=True)
class _State:
    """What an element passes on to its children."""

    visible: bool = True
    sized: bool = True
    exactly: bool = False
    lines: bool = False
    indent: str = ""

    def inside(self, style: Style) -> "_State":
        return _State(
            visible=self.visible if style.visible is None else style.visible,
            sized=self.sized if style.sized is None else style.sized,
            exactly=self.exactly if style.spaces is None else style.spaces == "exact",
            lines=self.lines if style.spaces is None else style.spaces == "lines",
            indent=self.indent,
        )


_NORMAL = _State()

_Open = tuple[Iterator[Node], _State, str, int]
"""An element that is being read: what follows it, the state around it, its tag, and the line ends after it."""


class _Link(NamedTuple):
    """The address of a link, and the length of the text when it began."""

    address: str
    pieces: int
    pictures: int


class _Conversion:
    """One walk through a document. It uses its own stack, because the author decides how deep the HTML is nested."""

    def __init__(self, *, may_hide: bool) -> None:
        """`may_hide`: whether an element may have the attribute `hidden`. If none has, none is checked."""
        self._may_hide = may_hide
        self._out = TextWriter()
        self._state = _NORMAL
        self._open: list[_Open] = []
        self._lists: list[ListNumbering] = []
        self._links: list[_Link] = []
        self._pictures = 0

    def convert(self, root: Element) -> str:
        nodes: Iterator[Node] | None = iter(root.children)
        while nodes is not None:
            nodes = self._read(nodes) or self._leave()
        return self._out.text()

    def _read(self, nodes: Iterator[Node]) -> Iterator[Node] | None:
        """The children of the next visible element, after the text before it. None at the end."""
        for node in nodes:
            if isinstance(node, Text):
                if self._state is _NORMAL:
                    self._out.write(node.data)
                else:
                    self._write(node.data)
            elif isinstance(node, Element) and self._enter(node, nodes):
                return iter(node.children)
        return None

    def _enter(self, element: Element, siblings: Iterator[Node]) -> bool:
        """Returns False for an element that is not shown."""
        tag = element.tag
        if tag in _SKIPPED or (self._may_hide and element.attr("hidden") is not None):
            return False
        attribute = element.attr("style")
        style = style_of(attribute) if attribute else PLAIN
        if style.hidden:
            return False
        line_ends = _LINE_ENDS.get(tag, 0) or style.is_line
        if line_ends:
            self._out.end_lines(line_ends)
        self._open.append((siblings, self._state, tag, line_ends))
        if style is not PLAIN:
            self._state = self._state.inside(style)
        if tag in _SPECIAL:
            if style.is_box and tag == "a":  # of a menu: nothing but their padding separates the links
                self._out.blank()
            self._begin(element, tag, style)
        return True

    def _leave(self) -> Iterator[Node] | None:
        """The rest after the innermost open element. None if no element is open."""
        if not self._open:
            return None
        siblings, state, tag, line_ends = self._open.pop()
        if tag in _SPECIAL:
            self._end(tag)
        if state is not self._state:
            self._state = state
            self._out.indent = state.indent
        if line_ends:
            self._out.end_lines(line_ends)
        return siblings

    def _write(self, text: str) -> None:
        state = self._state
        if not (state.visible and state.sized):
            return
        if state.exactly:
            self._out.write_exactly(text)
        elif state.lines:
            self._out.write_lines(text)
        else:
            self._out.write(text)

    def _begin(self, element: Element, tag: str, style: Style) -> None:
        if tag == "a":
            self._links.append(_Link(_address(element), len(self._out.pieces), self._pictures))
        elif tag == "br":
            self._out.break_line()
        elif tag == "img":
            self._picture(element)
        elif tag == "li":
            marker = self._lists[-1].marker(element) if self._lists else BULLET
            self._out.marker += marker
            self._indent(" " * len(marker))
        elif tag in _LISTS:
            self._out.end_lines(1 if self._lists else 2)
            self._lists.append(ListNumbering(element, style.list_style))
        elif tag in _PREFORMATTED:
            self._state = replace(self._state, exactly=True)
        elif tag in _INDENTS:
            self._indent(_INDENTS[tag])

    def _end(self, tag: str) -> None:
        if tag == "a":
            self._end_link(self._links.pop())
        elif tag == "li":
            self._out.marker = ""  # of an item without text
        elif tag in _CELLS:
            self._out.blank()
        elif tag in _LISTS:
            self._lists.pop()
            self._out.end_lines(1 if self._lists else 2)

    def _indent(self, prefix: str) -> None:
        self._state = replace(self._state, indent=self._state.indent + prefix)
        self._out.indent = self._state.indent

    def _picture(self, element: Element) -> None:
        if self._state.visible:
            self._pictures += 1
            self._out.write(f" {element.attr('alt') or ''} ")

    def _end_link(self, link: _Link) -> None:
        """Adds the address after the text, unless the text contains it; the address alone for a picture without text."""
        if not link.address:
            return
        pieces = self._out.pieces[link.pieces : link.pieces + _MAX_ADDRESS_PIECES]
        text = "".join(pieces).strip()
        if not text:
            if self._pictures > link.pictures:
                self._out.write(link.address)
        elif len(pieces) == _MAX_ADDRESS_PIECES or not _says(text, link.address):
            self._out.write_on_line(f"({link.address})")


def _says(text: str, address: str) -> bool:
    return text in {address, address.partition(":")[2], address.rstrip("/")}


def _address(link: Element) -> str:
    """The address of the link, without whitespace. "" for a place in the same document, or a script."""
    address = "%20".join((link.attr("href") or "").split())
    return "" if address.startswith("#") or address.lower().startswith("javascript:") else address
