"""HTML to readable text, through inscriptis."""

import re

from inscriptis import get_text
from inscriptis.css_profiles import STRICT_CSS_PROFILE
from inscriptis.html_properties import Display
from inscriptis.model.config import ParserConfig
from inscriptis.model.html_element import HtmlElement
from inscriptis.model.tag import CustomHtmlTagHandlerMapping

from templating.errors import TemplateError
from templating.limits import MAX_TAGS_FOR_TEXT

_BLANK_LINES = re.compile(r"\n{3,}")
_HIDDEN = re.compile(r"display\s*:\s*none", re.IGNORECASE)

# A row is a line and a cell is followed by a blank. Messages use tables for layout; inscriptis' own columns pad every
# line of a table to its widest, which reads badly and lets one long cell multiply the whole text.
_CELLS = ("table", "tr", "td", "th")
_TABLES_AS_LINES = CustomHtmlTagHandlerMapping(
    start_tag_mapping={tag: lambda _state, _attributes: None for tag in _CELLS},
    end_tag_mapping={tag: lambda _state: None for tag in _CELLS},
)


def html_to_text(html: str) -> str:
    """The text of an HTML document, links as `[text](url)`. Raises `template_limit` when it has too many tags.

    Costs 0.19 ms for a mail of four tags and 2.2 ms for one of a hundred: see `text_part` for how to pay it once.
    """
    if html.count("<") > MAX_TAGS_FOR_TEXT:
        raise TemplateError("template_limit", "too many tags to make a text part from: give the template one", "text")
    return tidy(get_text(html, _config()))


def tidy(text: str) -> str:
    """Without trailing blanks and without more than one empty line in a row."""
    lines = "\n".join(line.rstrip(" \t") for line in text.split("\n"))
    return _BLANK_LINES.sub("\n\n", lines).strip()


def _config() -> ParserConfig:
    """New for every conversion: inscriptis keeps its canvas in the style of `body`."""
    cell = HtmlElement(suffix=" ")
    row = HtmlElement(display=Display.block)
    css = STRICT_CSS_PROFILE | {"body": HtmlElement(), "table": row, "tr": row, "td": cell, "th": cell}
    config = ParserConfig(css=css, display_links=True, custom_html_tag_handler_mapping=_TABLES_AS_LINES)
    # Of the styles only this one: margins and paddings would be taken at their word, up to 100,000 lines each.
    config.attribute_handler.attribute_mapping = {"style": _hide}
    return config


def _hide(style: str, element: HtmlElement) -> None:
    if _HIDDEN.search(style):
        element.display = Display.none
