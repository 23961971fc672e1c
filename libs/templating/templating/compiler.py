"""Compiles templates. A compiled template has no state and renders any number of times."""

import re
from collections.abc import Collection, Container, Iterable, Mapping
from dataclasses import dataclass

from templating.expressions import check_size
from templating.html_text import check_tags, html_to_text
from templating.liquid_marks import find_liquid
from templating.parts import CompiledPart, compile_html, compile_plain
from templating.plain_content import is_html, text_as_html
from templating.requirements import VariablePath, missing
from templating.source import (
    MAX_PUSH_TEXT_BYTES,
    MissingVariables,
    RenderedEmail,
    RenderedPush,
    TemplateError,
    TemplateSource,
)
from templating.urls import UrlStart, classify, push_link, scheme_of, web_url

CHANNELS = ("email", "push")
_ELLIPSIS = "…"
_LAST_WORD = re.compile(r"\s\S{0,50}$")
# All characters that could end a header line or a notification's title, with the whitespace around them.
_LINE_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True, eq=False)
class CompiledTemplate:
    """The compiled parts by name."""

    parts: Mapping[str, CompiledPart]
    html_is_text: bool
    """Whether the html part holds no markup: it is rendered as text, and the HTML made from that."""
    paths: Mapping[str, tuple[VariablePath, ...]]
    """By channel, `email` and `push`: what a render for it needs."""
    app_schemes: frozenset[str]
    """Those that a push link may have besides the web's."""

    @property
    def serves_email(self) -> bool:
        return "html" in self.parts or "text" in self.parts

    @property
    def serves_push(self) -> bool:
        """A template that serves e-mail also serves push: see `render_push`."""
        return bool(self.parts.keys() & {"title", "body", "html", "text"})

    def required(self, channels: Iterable[str] = CHANNELS) -> tuple[str, ...]:
        """The dotted names of the variables that these channels need, sorted."""
        return tuple(sorted(".".join(path) for path in self._needed(channels)))

    def missing(self, variables: Mapping[str, object], channels: Iterable[str] = CHANNELS) -> tuple[str, ...]:
        """The required variables that are absent or null."""
        return missing(variables, self._needed(channels))

    def _needed(self, channels: Iterable[str]) -> set[VariablePath]:
        return {path for channel in channels for path in self.paths[channel]}

    def render_email(self, variables: Mapping[str, object]) -> RenderedEmail:
        """Raises MissingVariables with all missing names of this channel, or TemplateError."""
        _check(self.serves_email, "e-mail", variables, self.paths["email"])
        html, text = self._html_and_text(variables)
        return RenderedEmail(single_line(self._render("subject", variables)), html, text)

    def render_push(self, variables: Mapping[str, object]) -> RenderedPush:
        """Without a title or body of its own, the subject is the title and the e-mail's text is the body.

        Raises MissingVariables with all missing names of this channel, or TemplateError. Unsafe URLs become "".
        """
        _check(self.serves_push, "push", variables, self.paths["push"])
        title, body = push_text_parts(self.parts)
        return RenderedPush(
            title=single_line(self._render(title, variables)),
            body=self._render("body", variables) if body == "body" else _shortened(self._text(variables)),
            image=web_url(self._render("image", variables)),
            link=push_link(self._render("link", variables), self.app_schemes),
        )

    def _html_and_text(self, variables: Mapping[str, object]) -> tuple[str, str]:
        if "html" not in self.parts:
            return "", self._render("text", variables)
        content = self._render("html", variables)
        html = check_size(text_as_html(content)) if self.html_is_text else content
        if "text" in self.parts:
            return html, self._render("text", variables)
        return html, content if self.html_is_text else html_to_text(content)

    def _text(self, variables: Mapping[str, object]) -> str:
        """Only the text of the e-mail."""
        if "text" in self.parts or self.html_is_text:
            return self._render("text" if "text" in self.parts else "html", variables)
        return html_to_text(self._render("html", variables))

    def _render(self, name: str, variables: Mapping[str, object]) -> str:
        part = self.parts.get(name)
        if part is None:
            return ""
        try:
            return part.render(variables)
        except TemplateError as error:
            error.in_field(name)
            raise


def push_text_parts(parts: Container[str]) -> tuple[str, str]:
    """The parts that a push's title and body come from: its own, or the e-mail's."""
    email_body = "text" if "text" in parts else "html"
    return "title" if "title" in parts else "subject", "body" if "body" in parts else email_body


def single_line(text: str) -> str:
    """The text with every run of control characters, including line ends, replaced by one space.

    It splits and joins: a pattern that also matched the whitespace around them would take quadratic time.
    """
    return " ".join(part for piece in _LINE_BREAKS.split(text) if (part := piece.strip()))


def _shortened(text: str) -> str:
    """At most `MAX_PUSH_TEXT_BYTES`, cut between words if possible, with an ellipsis at the end."""
    text = text.strip()
    raw = text.encode()
    if len(raw) <= MAX_PUSH_TEXT_BYTES:
        return text
    beginning = raw[: MAX_PUSH_TEXT_BYTES - len(_ELLIPSIS.encode())].decode(errors="ignore")
    words = _LAST_WORD.sub("", beginning)
    return f"{(words or beginning).rstrip()}{_ELLIPSIS}"


def _check(served: bool, channel: str, variables: Mapping[str, object], paths: Iterable[VariablePath]) -> None:
    if not served:
        raise TemplateError("channel_not_served", f"the template has no {channel} content")
    if names := missing(variables, paths):
        raise MissingVariables(names)


EMAIL_PARTS = ("subject", "html", "text")
PUSH_PARTS = ("title", "body", "image", "link")


def compile_template(source: TemplateSource) -> CompiledTemplate:
    """Checks every part and prepares it for rendering. Raises TemplateError with the part's name.

    The cost is bounded: a part at all limits takes up to 0.8 s of CPU, a template with all seven parts 6 s, an ordinary one
    10 ms. That includes a first rendering without variables. Services therefore compile callers' templates outside the event
    loop, and workers cache the result.
    """
    schemes = frozenset(source.link_schemes)
    sources = {name: getattr(source, name) for name in EMAIL_PARTS + PUSH_PARTS}
    parts = {name: _compile(name, text, schemes) for name, text in sources.items() if text}
    if not parts.keys() & {"html", "text", "title", "body"}:
        raise TemplateError("template_empty", "a template needs html or text for e-mail, or a title or body for push")
    if "text" not in parts:
        check_tags(source.html)
    email = _paths(parts, EMAIL_PARTS)
    push = _paths(parts, (*push_text_parts(parts), "image", "link"))
    return CompiledTemplate(
        parts=parts,
        html_is_text="html" in parts and not is_html(parts["html"].source, parts["html"].marks),
        paths={"email": email, "push": push},
        app_schemes=_with_literal_scheme(schemes, parts.get("link")),
    )


def _compile(name: str, source: str, app_schemes: Collection[str]) -> CompiledPart:
    try:
        if name == "html" and is_html(source, find_liquid(source)):
            part = compile_html(source, app_schemes)
        else:
            part = compile_plain(source)
        if name in {"image", "link"}:
            _check_url(name, part, app_schemes)
    except TemplateError as error:
        error.in_field(name)
        raise
    return part


def _paths(parts: Mapping[str, CompiledPart], names: Iterable[str]) -> tuple[VariablePath, ...]:
    """The requirements of the named parts. A variable that is optional in any part is optional in all of them."""
    optional = frozenset[VariablePath]().union(*(part.needs.optional for part in parts.values()))
    return tuple(sorted({path for name in names if name in parts for path in parts[name].needs.required(optional)}))


def _check_url(name: str, part: CompiledPart, app_schemes: Collection[str]) -> None:
    """The text before the first value is enough to recognise a URL that could never be sent."""
    beginning = _literal_beginning(part)
    if classify(beginning) is UrlStart.UNSAFE:
        raise TemplateError("unsafe_url", "must not lead to something that can run code or read files")
    if part.marks:
        return
    if name == "image" and not web_url(part.source):
        raise TemplateError("unsafe_url", "must be an http or https URL")
    if name == "link" and not push_link(part.source, _with_literal_scheme(app_schemes, part)):
        raise TemplateError("unsafe_url", "must be an http or https URL, or an app's link such as myapp://open")


def _literal_beginning(part: CompiledPart) -> str:
    return part.source[: part.marks[0].start] if part.marks else part.source


def _with_literal_scheme(app_schemes: Collection[str], link: CompiledPart | None) -> frozenset[str]:
    """A literal `myapp://…` in the template allows its scheme, like `link_schemes`. Web URLs have a separate rule."""
    scheme = scheme_of(_literal_beginning(link)) if link is not None else ""
    return frozenset({*app_schemes, scheme} - {"", "http", "https"})
