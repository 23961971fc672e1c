"""Compiles MJML to HTML. The compiler sees placeholder words in place of Liquid; they are replaced afterwards."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from template_service.authoring.inlining import CompiledHtml, inline
from template_service.authoring.isolated import GaveUp, SourceError, compile_isolated
from template_service.authoring.liquid_places import Placeholders
from templating.liquid_marks import find_liquid, without_comments
from templating.source import MAX_SOURCE_BYTES, TemplateError

_MJML = re.compile(r"\s*(?:<\?xml[^>]*\?>\s*|<!--.*?-->\s*|\{%.*?%\}\s*)*+<mjml[\s>]", re.DOTALL)
_TAG = re.compile(
    r"<!--.*?-->|<(?P<close>/?)(?P<name>[a-zA-Z][\w:-]*)(?P<attributes>(?:[^<>\"']|\"[^\"<]*\"|'[^'<]*')*?)(?P<alone>/?)>",
    re.DOTALL,
)
_INLINE_STYLE = re.compile(r"<mj-style\b[^>]*\binline\s*=\s*[\"']inline[\"'][^>]*>([^<]*)</mj-style\s*>")
_AT = re.compile(r" in root template at position (\d+):\d+$")
_HOLDERS = frozenset({"mj-body", "mj-wrapper", "mj-section", "mj-group", "mj-column", "mj-hero"})
"""Elements whose content is elements only: text between them has to be an `mj-raw`."""
_OTHER_NAMES = """
mjml mj-head mj-attributes mj-all mj-class mj-breakpoint mj-font mj-html-attributes mj-selector mj-html-attribute
mj-preview mj-style mj-title mj-include mj-accordion mj-accordion-element mj-accordion-title mj-accordion-text
mj-button mj-carousel mj-carousel-image mj-divider mj-image mj-navbar mj-navbar-link mj-raw mj-social
mj-social-element mj-spacer mj-table mj-text
"""
_NAMES = _HOLDERS | frozenset(_OTHER_NAMES.split())
_VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())  # noqa: SIM905
_ATTRIBUTES = re.compile(r"""(?:\s+[\w:.-]+\s*=\s*(?:"[^"]*"|'[^']*'))*\s*""")


_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Tag:
    start: int
    end: int
    name: str
    attributes: str
    closes: bool
    alone: bool

    @property
    def is_mjml(self) -> bool:
        return self.name.startswith("mj")


def is_mjml(content: str) -> bool:
    """Whether the first element is `<mjml>`."""
    return content.lstrip()[:1] in {"<", "{"} and _MJML.match(content) is not None


def compile_mjml(content: str) -> CompiledHtml:
    """The HTML, with the styles of `<mj-style inline="inline">` in it. Blocks. Raises TemplateError, with the line."""
    source = without_comments(content)
    placeholders = Placeholders.for_source(source)
    marked = _in_raw_elements(placeholders.hide(source), placeholders)
    inlined_styles = "\n".join(_INLINE_STYLE.findall(marked))
    # The compiler does not know this attribute, and would leave the rules in the style sheet.
    try:
        html = compile_isolated("mjml", _INLINE_STYLE.sub("", marked))
    except SourceError as error:
        raise _syntax_error(str(error), marked, placeholders) from None
    except GaveUp:
        raise TemplateError("template_limit", "the MJML is too large or nested too deeply") from None
    _check_nothing_lost(html + inlined_styles, source, placeholders)
    html = placeholders.restore(html)
    if len(html.encode()) > MAX_SOURCE_BYTES:
        raise TemplateError("template_limit", f"the HTML made from the MJML is larger than {MAX_SOURCE_BYTES} bytes")
    return inline(html, placeholders.restore(inlined_styles)) if inlined_styles.strip() else CompiledHtml(html)


def _tags(marked: str) -> Iterator[_Tag]:
    for found in _TAG.finditer(marked):
        if name := found["name"]:
            alone = bool(found["alone"]) or name.lower() in _VOID
            yield _Tag(found.start(), found.end(), name.lower(), found["attributes"], bool(found["close"]), alone)


def _in_raw_elements(marked: str, placeholders: Placeholders) -> str:
    """Puts the Liquid between elements into `mj-raw`, which an author need not write. Raises for tags that do not match."""
    if (start := marked.rfind("<!--")) > marked.rfind("-->"):
        raise _error("a comment is not closed", marked, start, placeholders)
    words = re.compile(rf"(?:{placeholders.prefix}\d+z\s*)+")
    open_tags: list[_Tag] = []
    pieces: list[str] = []
    position = 0
    for tag in _tags(marked):
        between = marked[position : tag.start]
        if (stray := _COMMENT.sub(_blank, between).find("<")) >= 0:
            raise _error("a '<' begins no tag; write &lt;", marked, position + stray, placeholders)
        holder = bool(open_tags) and open_tags[-1].name in _HOLDERS
        pieces += (
            words.sub(lambda found: f"<mj-raw>{found.group()}</mj-raw>", between) if holder else between,
            marked[tag.start : tag.end],
        )
        position = tag.end
        _follow(tag, open_tags, marked, placeholders)
    if open_tags:
        raise _error(f"<{open_tags[-1].name}> is not closed", marked, open_tags[-1].start, placeholders)
    return "".join((*pieces, marked[position:]))


def _blank(found: re.Match[str]) -> str:
    return " " * len(found.group())


def _follow(tag: _Tag, open_tags: list[_Tag], marked: str, placeholders: Placeholders) -> None:
    if tag.is_mjml and tag.name not in _NAMES:
        raise _error(f"MJML has no <{tag.name}>", marked, tag.start, placeholders)
    if tag.name == "mj-include":
        raise _error("<mj-include> is not available", marked, tag.start, placeholders)
    if tag.is_mjml and not _ATTRIBUTES.fullmatch(tag.attributes):
        raise _error(f'the attributes of <{tag.name}> need the form name="value"', marked, tag.start, placeholders)
    if tag.closes:
        if not open_tags or open_tags[-1].name != tag.name:
            expected = f"</{open_tags[-1].name}>" if open_tags else "no end tag"
            raise _error(f"</{tag.name}> stands where {expected} is expected", marked, tag.start, placeholders)
        open_tags.pop()
    elif not tag.alone:
        open_tags.append(tag)


def _check_nothing_lost(html: str, source: str, placeholders: Placeholders) -> None:
    kept = {int(number) for number in re.findall(rf"{placeholders.prefix}(\d+)z", html)}
    for number, mark in enumerate(find_liquid(source)):
        if number not in kept:
            line = source.count("\n", 0, mark.start) + 1
            problem = f"line {line}: MJML drops '{mark.text}' here. Liquid may stand in texts, addresses and colours"
            raise TemplateError("template_syntax", problem)


def _syntax_error(message: str, marked: str, placeholders: Placeholders) -> TemplateError:
    at = _AT.search(message)
    problem = message[: at.start()] if at else message.removesuffix(" in root template")
    if at is None:
        return TemplateError("template_syntax", f"MJML: {problem}")
    before = marked.encode()[: int(at.group(1))].decode(errors="ignore")
    return _error(f"MJML: {problem}", marked, len(before), placeholders)


def _error(problem: str, marked: str, position: int, placeholders: Placeholders) -> TemplateError:
    line = placeholders.restore(marked[:position]).count("\n") + 1
    return TemplateError("template_syntax", f"line {line}: {problem}")
