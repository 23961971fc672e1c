"""From a template's source to a CompiledTemplate."""

from collections.abc import Collection, Iterable, Mapping

from templating.compiled import CompiledTemplate, push_text_parts
from templating.errors import TemplateError
from templating.html_text import check_tags
from templating.markup import find_markups
from templating.parts import CompiledPart, compile_html, compile_plain
from templating.plain_content import has_markup
from templating.requirements import VariablePath
from templating.source import TemplateSource
from templating.urls import UrlStart, classify, push_link, scheme_of, web_url

EMAIL_PARTS = ("subject", "html", "text")
PUSH_PARTS = ("title", "body", "image", "link")


def compile_template(source: TemplateSource) -> CompiledTemplate:
    """Check every part and prepare it for rendering. Raises TemplateError naming the part.

    Bounded whatever the source: a template that uses every limit to the full takes 1.5 s, an ordinary one 10 ms. So
    services compile what callers send them off the event loop, and workers keep the result.
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
        html_is_text="html" in parts and not has_markup(parts["html"].source, parts["html"].markups),
        paths={"email": email, "push": push},
        app_schemes=_with_literal_scheme(schemes, parts.get("link")),
    )


def _compile(name: str, source: str, app_schemes: Collection[str]) -> CompiledPart:
    try:
        if name == "html" and has_markup(source, find_markups(source)):
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
    """What the named parts require; what any part can do without is optional in all of them."""
    optional = frozenset[VariablePath]().union(*(part.needs.optional for part in parts.values()))
    return tuple(sorted({path for name in names if name in parts for path in parts[name].needs.required(optional)}))


def _check_url(name: str, part: CompiledPart, app_schemes: Collection[str]) -> None:
    """What comes before the first value says enough about a URL that could never be sent."""
    beginning = _literal_beginning(part)
    if classify(beginning) is UrlStart.UNSAFE:
        raise TemplateError("unsafe_url", "must not lead to something that can run code or read files")
    if part.markups:
        return
    if name == "image" and not web_url(part.source):
        raise TemplateError("unsafe_url", "must be an http or https URL")
    if name == "link" and not push_link(part.source, _with_literal_scheme(app_schemes, part)):
        raise TemplateError("unsafe_url", "must be an http or https URL, or an app's link such as myapp://open")


def _literal_beginning(part: CompiledPart) -> str:
    return part.source[: part.markups[0].start] if part.markups else part.source


def _with_literal_scheme(app_schemes: Collection[str], link: CompiledPart | None) -> frozenset[str]:
    """The template's own `myapp://…` names a scheme as well as `link_schemes` do; a web URL has its own rule."""
    scheme = scheme_of(_literal_beginning(link)) if link is not None else ""
    return frozenset({*app_schemes, scheme} - {"", "http", "https"})
