"""Filling HTML templates. What is not markup already is escaped, so that forgetting it is not possible."""

from collections.abc import Iterable
from html import escape


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def markup(template: str, **values: object) -> Html:
    """The template with its `{names}` filled in, each value escaped unless it is `Html`. Quote attributes."""
    return Html(template.format(**{name: _safe(value) for name, value in values.items()}))


def joined(parts: Iterable[Html]) -> Html:
    return Html("".join(parts))


def web_address(text: str) -> str:
    """The address if a browser may follow it (http and https only), else an empty string."""
    return text if text.lower().startswith(("http://", "https://")) else ""


def _safe(value: object) -> str:
    return value if isinstance(value, Html) else escape(str(value))
