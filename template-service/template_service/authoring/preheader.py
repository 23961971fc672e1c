"""Puts a preheader into HTML: the text that a list of mails shows after the subject. The mail itself hides it."""

import re
from html import escape

from turbohtml import parse

from template_service.authoring.liquid_places import masked, places
from templating.liquid_marks import find_liquid
from templating.plain_content import is_html
from templating.source import TemplateError

# Outlook reads `mso-hide`, the others some of the rest.
_HIDDEN = "display:none;font-size:1px;line-height:1px;max-height:0;max-width:0;opacity:0;overflow:hidden;mso-hide:all"
# Invisible characters and blanks, so that a list shows nothing of the body after a short preheader.
_PADDING = "&#847;&zwnj;&nbsp;" * 100
_DOCTYPE = re.compile(r"\s*<!doctype[^>]*>", re.IGNORECASE)


def with_preheader(html: str, preheader: str) -> str:
    """The HTML with this text, which may have Liquid, first in its body. Raises TemplateError."""
    if not is_html(html, find_liquid(html)):
        raise TemplateError("template_syntax", "needs a content with HTML", "preheader")
    at = _body_start(masked(html, list(places(html))))
    return f'{html[:at]}<div style="{_HIDDEN}">{_as_html(preheader)}{_PADDING}</div>{html[at:]}'


def _body_start(plain: str) -> int:
    document = parse(plain, source_locations=True)
    for name, closing in (("body", False), ("head", True), ("html", False)):
        element = document.find(name)
        location = element.source_location if element is not None else None
        tag = None if location is None else location.end_tag if closing else location.start_tag
        if tag is not None:
            return tag.end_offset
    doctype = _DOCTYPE.match(plain)
    return doctype.end() if doctype else 0


def _as_html(preheader: str) -> str:
    pieces: list[str] = []
    position = 0
    for mark in find_liquid(preheader):
        pieces += (escape(preheader[position : mark.start], quote=False), mark.text)
        position = mark.end
    return "".join((*pieces, escape(preheader[position:], quote=False)))
