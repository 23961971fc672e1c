"""The state of an HTML document at the end of a piece of literal text: in text, in a tag, or in an attribute's value.

It follows the states of the HTML tokenizer as far as they decide how an output must be escaped. It scans literal text only.
`html_context` handles the outputs between two pieces.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from html import unescape

from templating.css import AMONG_VALUES, CssState
from templating.script import inside_after
from templating.source import TemplateError
from templating.urls import MAX_BEGINNING, OUTPUT_MARK


class Mode(Enum):
    TEXT = auto()
    RAW = auto()  # script, style, title: up to the end tag
    COMMENT = auto()
    DECLARATION = auto()  # <!doctype ...>
    LESS_THAN = auto()  # after a < that ends its piece of text
    TAG = auto()  # between attributes
    BEFORE_VALUE = auto()  # after =
    VALUE = auto()


@dataclass(frozen=True, slots=True)
class HtmlState:
    """`value` is the beginning of the attribute's value. `quote` is "" for an unquoted one. `css` is the state in a style
    attribute, `script` the state in a script (see those modules).
    """

    mode: Mode = Mode.TEXT
    tag: str = ""
    attribute: str = ""
    quote: str = ""
    value: str = ""
    css: CssState = AMONG_VALUES
    script: str = ""


_RAW_TAGS = frozenset({"script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes"})
# <!--[if mso]> begins HTML for Outlook, and <!--> is a complete comment: text follows both.
_MARKUP = re.compile(r"<(?:(!--)(\[if|-?>)?|([!?])|(/?[a-zA-Z][^\s/>]*)|/?$)")
_TAG_NAME_START = re.compile(r"/?[a-zA-Z!?]")
_COMMENT_END = re.compile(r"--!?>")
_BETWEEN_ATTRIBUTES = re.compile(r"[\s/]+")
_ATTRIBUTE_NAME = re.compile(r"[^\s/>][^\s/>=]*")
_BLANKS = re.compile(r"\s*")
_UNQUOTED = re.compile(r"[^\s>]*")


def scan(state: HtmlState, text: str) -> HtmlState:
    """The state after this literal text."""
    position = 0
    while position < len(text):
        state, position = _SCANNERS[state.mode](state, text, position)
    return state


def with_output(state: HtmlState) -> HtmlState:
    """The state after an output in an attribute's value."""
    if state.attribute == "style":
        return replace(state, css=state.css.extended(OUTPUT_MARK))
    return with_value(state, OUTPUT_MARK)


def with_value(state: HtmlState, text: str) -> HtmlState:
    """The state after more of the attribute's value. Only the beginning of a value matters."""
    if state.attribute == "style":
        return replace(state, css=state.css.after(unescape(text)))
    space = MAX_BEGINNING - len(state.value)
    return replace(state, value=state.value + text[:space]) if space > 0 else state


def _scan_text(state: HtmlState, text: str, position: int) -> tuple[HtmlState, int]:
    found = _MARKUP.search(text, position)
    if found is None:
        return state, len(text)
    comment, special, declaration, tag = found.groups()
    if comment:
        return HtmlState() if special else HtmlState(Mode.COMMENT), found.end()
    if declaration:
        return HtmlState(Mode.DECLARATION), found.end()
    if tag:
        return HtmlState(Mode.TAG, tag=tag.lower()), found.end()
    return HtmlState(Mode.LESS_THAN), found.end()


def _scan_less_than(state: HtmlState, text: str, position: int) -> tuple[HtmlState, int]:
    del state
    if _TAG_NAME_START.match(text):
        raise TemplateError("unsafe_output", "a tag's name cannot be put together by Liquid tags")
    return HtmlState(), position


def _scan_comment(state: HtmlState, text: str, position: int) -> tuple[HtmlState, int]:
    found = _COMMENT_END.search(text, position)
    return (HtmlState(), found.end()) if found else (state, len(text))


def _scan_declaration(state: HtmlState, text: str, position: int) -> tuple[HtmlState, int]:
    end = text.find(">", position)
    return (HtmlState(), end + 1) if end >= 0 else (state, len(text))


def _scan_raw(state: HtmlState, text: str, position: int) -> tuple[HtmlState, int]:
    found = re.compile(rf"</{state.tag}(?=[\s/>]|$)", re.IGNORECASE).search(text, position)
    if found:
        return HtmlState(Mode.TAG, tag=f"/{state.tag}"), found.end()
    if state.tag == "script":
        state = replace(state, script=inside_after(state.script, text[position:]))
    return state, len(text)


def _scan_tag(state: HtmlState, text: str, position: int) -> tuple[HtmlState, int]:
    if text[position] == ">":
        return _after_tag(state.tag), position + 1
    if between := _BETWEEN_ATTRIBUTES.match(text, position):
        return state, between.end()
    if text[position] == "=" and state.attribute:
        return replace(state, mode=Mode.BEFORE_VALUE), position + 1
    name = _ATTRIBUTE_NAME.match(text, position)
    assert name is not None  # noqa: S101 - it matches whatever the branches above have left
    return HtmlState(Mode.TAG, state.tag, name.group().lower()), name.end()


def _after_tag(tag: str) -> HtmlState:
    return HtmlState(Mode.RAW, tag=tag) if tag in _RAW_TAGS else HtmlState()


def _scan_before_value(state: HtmlState, text: str, position: int) -> tuple[HtmlState, int]:
    blanks = _BLANKS.match(text, position)
    position = blanks.end() if blanks else position
    match text[position : position + 1]:
        case "":
            return state, position
        case ">":
            return _after_tag(state.tag), position + 1
        case "'" | '"' as quote:
            return replace(state, mode=Mode.VALUE, quote=quote, value=""), position + 1
        case _:
            return replace(state, mode=Mode.VALUE, quote="", value=""), position


def _scan_value(state: HtmlState, text: str, position: int) -> tuple[HtmlState, int]:
    if state.quote:
        end = text.find(state.quote, position)
        after = end + 1
    else:
        unquoted = _UNQUOTED.match(text, position)
        end = after = unquoted.end() if unquoted else position
    if end < 0 or (not state.quote and end == len(text)):
        return with_value(state, text[position:]), len(text)
    return HtmlState(Mode.TAG, tag=state.tag), after


_SCANNERS: dict[Mode, Callable[[HtmlState, str, int], tuple[HtmlState, int]]] = {
    Mode.TEXT: _scan_text,
    Mode.RAW: _scan_raw,
    Mode.COMMENT: _scan_comment,
    Mode.DECLARATION: _scan_declaration,
    Mode.LESS_THAN: _scan_less_than,
    Mode.TAG: _scan_tag,
    Mode.BEFORE_VALUE: _scan_before_value,
    Mode.VALUE: _scan_value,
}
