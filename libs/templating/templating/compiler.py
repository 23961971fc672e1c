"""From a template's source to a CompiledTemplate."""

from collections.abc import Callable, Iterable, Mapping

from templating.compiled import CompiledTemplate
from templating.errors import TemplateError
from templating.parts import CompiledPart, compile_html, compile_plain
from templating.requirements import VariablePath
from templating.source import TemplateSource
from templating.text_part import derive_text
from templating.urls import UrlStart, classify, web_url

EMAIL_PARTS = ("subject", "html", "text")
PUSH_PARTS = ("title", "body", "image", "link")


def compile_template(source: TemplateSource) -> CompiledTemplate:
    """Check every part and prepare it for rendering. Raises TemplateError naming the part.

    Bounded whatever the source: a template that uses every limit to the full takes 1.5 s, an ordinary one 10 ms. So
    services compile what callers send them off the event loop, and workers keep the result.
    """
    sources = {name: getattr(source, name) for name in EMAIL_PARTS + PUSH_PARTS}
    parts = {name: _compile(name, text) for name, text in sources.items() if text}
    if not parts.keys() & {"html", "text", "title", "body"}:
        raise TemplateError("template_empty", "a template needs html or text for e-mail, or a title or body for push")
    email, push = _paths(parts, EMAIL_PARTS), _paths(parts, PUSH_PARTS)
    return CompiledTemplate(
        parts=parts,
        derived_text=_derived_text(parts),
        required=frozenset(".".join(path) for path in email + push),
        email_paths=email,
        push_paths=push,
    )


def _compile(name: str, source: str) -> CompiledPart:
    compiler: Callable[[str], CompiledPart] = compile_html if name == "html" else compile_plain
    try:
        part = compiler(source)
    except TemplateError as error:
        error.in_field(name)
        raise
    if name in {"image", "link"}:
        _check_url(name, part)
    return part


def _derived_text(parts: Mapping[str, CompiledPart]) -> CompiledPart | None:
    if "html" not in parts or "text" in parts:
        return None
    return derive_text(parts["html"])


def _paths(parts: Mapping[str, CompiledPart], names: Iterable[str]) -> tuple[VariablePath, ...]:
    return tuple(sorted({path for name in names if name in parts for path in parts[name].required}))


def _check_url(name: str, part: CompiledPart) -> None:
    """What comes before the first value says enough about a URL that could never be sent."""
    beginning = part.source[: part.markups[0].start] if part.markups else ""
    if classify(beginning) is UrlStart.UNSAFE or not (part.markups or web_url(part.source)):
        raise TemplateError("unsafe_url", "must be an http or https URL", name)
