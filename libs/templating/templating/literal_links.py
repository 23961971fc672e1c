"""Checks the links that a template contains literally. They are checked when it is saved. Templates that were saved earlier
are not.
"""

import re

from turbohtml import parse

from templating.source import TemplateError, TemplateSource
from templating.urls import is_dangerous

_ATTRIBUTES = ("href", "xlink:href", "action", "formaction", "src", "background", "poster", "data")
_PICTURES = frozenset({"src", "background", "poster"})  # there, `data:` is a picture inside the mail
_LIQUID = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


def check_links(source: TemplateSource) -> None:
    """Raises `unsafe_url` if the HTML has a link that would run code, in any spelling."""
    if ":" not in source.html and "&" not in source.html:
        return
    for element in parse(source.html).find_all():
        for name in _ATTRIBUTES:
            if (value := element.attr(name)) is not None and any(
                is_dangerous(piece, but_pictures=name in _PICTURES) for piece in _LIQUID.split(value)
            ):
                raise TemplateError("unsafe_url", f"the {name} of <{element.tag}> would run code", "html")
