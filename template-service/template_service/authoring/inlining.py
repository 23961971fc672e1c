"""Moves the declarations of `<style>` into style attributes, for mail clients that do not read style sheets.

Only style attributes of start tags change. Everything else stays as written, byte for byte: Liquid, conditional comments,
doctypes, and the style sheets themselves. So a client that reads style sheets shows the mail as before: a declaration that
would override a rule that applies only sometimes (a media query, `:hover`) is left out.

css-inline finds the elements of each rule. It gets a copy of the HTML without Liquid, whose elements have numbers.
"""

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from turbohtml import parse

from template_service.authoring.cascade import cascade, value_of
from template_service.authoring.isolated import GaveUp, SourceError, compile_isolated
from template_service.authoring.liquid_places import Place, Placeholders, masked, places
from template_service.authoring.start_tags import StartTag, mark_liquid, start_tags
from template_service.authoring.stylesheets import Declaration, StyleRule, StyleSheet, applies_always, rules_of
from templating.source import MAX_SOURCE_BYTES

_MAYBE_STYLED = re.compile(r"<style[\s/>]|<link\s", re.IGNORECASE)
_NUMBER = "data-lq-element"
_RULE = "--lq-rule-"
_MAX_NAMED = 5
_MAX_PAIRS = 1_000_000  # of an element and a rule; mails have some ten thousand
_MAX_DECLARATIONS = 3_000
_MAX_SECONDS = 1.0
_TOO_LARGE = (
    f"The style sheets are not inlined: too complex, or the HTML would have over {MAX_SOURCE_BYTES // 1024} KiB"
)


@dataclass(frozen=True, slots=True)
class CompiledHtml:
    """HTML with its styles inlined, from HTML or MJML. `html` is the source itself where nothing is inlined. `warnings` name
    what stays in the style sheets alone.
    """

    html: str
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class _Notes:
    linked: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    overridden: dict[str, None] = field(default_factory=dict)


def inline(html: str, css: str | None = None) -> CompiledHtml:
    """Inlines the HTML's own style sheets, or `css` instead. Blocks. Raises TemplateError for Liquid that cannot be saved."""
    if css is None and not _MAYBE_STYLED.search(html):
        return CompiledHtml(html)
    found = list(places(html))
    plain = masked(html, found)
    tags = list(start_tags(plain))
    mark_liquid(tags, found)
    placeholders = Placeholders.for_source(html + (css or ""))
    has_tags = any(place.mark.is_tag for place in found)
    sheets = list(_sheets(html, tags, found, placeholders)) if css is None else [_sheet(css, placeholders, always=True)]
    notes = _Notes(linked=_linked(tags))
    try:
        rules = rules_of(sheets, repeats=has_tags)
        if all(rule.sometimes for rule in rules):
            return CompiledHtml(html, tuple(_warnings(notes, sheets)))
        matches = _matches(plain, tags, rules)
        result = _with_styles(html, tags, matches, placeholders, notes)
    except (GaveUp, SourceError, RecursionError):
        return CompiledHtml(html, (_TOO_LARGE,))
    if len(result.encode()) > MAX_SOURCE_BYTES:
        return CompiledHtml(html, (_TOO_LARGE,))
    return CompiledHtml(result, tuple(_warnings(notes, sheets)))


def _linked(tags: Iterable[StartTag]) -> list[str]:
    """The addresses of style sheets that mail clients cannot load."""
    links = (tag.element for tag in tags if tag.element.tag == "link")
    hrefs = (one.attr("href") or "" for one in links if "stylesheet" in (one.attr("rel") or "").lower())
    return [href for href in hrefs if not href.startswith(("https:", "http:"))]


def _sheets(
    html: str, tags: Iterable[StartTag], found: list[Place], placeholders: Placeholders
) -> Iterator[StyleSheet]:
    for tag in tags:
        location = tag.element.source_location
        if tag.element.tag != "style" or location is None or location.end_tag is None:
            continue
        css = html[tag.end : location.end_tag.start_offset]
        always = applies_always(tag.element.attr("media") or "") and not _depth_at(found, tag.start)
        yield _sheet(css, placeholders, always=always)
    for comment in _between(html, "<!--[if", "-->"):
        for element in _between(comment, "<style", "</style"):
            yield _sheet(element.partition(">")[2], placeholders, always=False)


def _between(text: str, start: str, end: str) -> Iterator[str]:
    """It searches step by step: a pattern would take quadratic time when the end is missing."""
    lower = text.lower()
    position = lower.find(start)
    while position >= 0 and (stop := lower.find(end, position)) >= 0:
        yield text[position + len(start) : stop]
        position = lower.find(start, stop)


def _depth_at(found: list[Place], position: int) -> int:
    after = next((place for place in found if place.mark.start > position), None)
    return 0 if after is None else after.depth + after.mark.tag.startswith("end")


def _sheet(css: str, placeholders: Placeholders, *, always: bool) -> StyleSheet:
    tagged = "{%" in css
    return StyleSheet(placeholders.hide(css), sometimes=tagged or not always, has_liquid_tags=tagged)


def _matches(plain: str, tags: list[StartTag], rules: list[StyleRule]) -> list[list[StyleRule]]:
    """For each start tag, the rules that match it. Raises GaveUp."""
    declarations = sum(len(rule.declarations) for rule in rules)
    if declarations > _MAX_DECLARATIONS or len(tags) * len(rules) > _MAX_PAIRS:
        raise GaveUp
    css = "\n".join(f"{rule.selector}{{{_RULE}{number}:1}}" for number, rule in enumerate(rules))
    result = parse(compile_isolated("css", _numbered(plain, tags, css)), positions=False)
    matches: list[list[StyleRule] | None] = [None] * len(tags)
    for element in result.find_all():
        if number := element.attr(_NUMBER):
            style = element.attr("style") or ""
            found = [rules[int(one)] for one in re.findall(rf"{_RULE}(\d+)", style)]
            before = matches[int(number)]  # the parser copies formatting elements that are closed in the wrong place
            matches[int(number)] = found if before is None or before == found else []
    return [found or [] for found in matches]


def _numbered(plain: str, tags: list[StartTag], css: str) -> str:
    edits: list[tuple[int, int, str]] = []
    for number, tag in enumerate(tags):
        location = tag.element.source_location
        if tag.element.tag == "style" and location is not None and location.end_tag is not None:
            edits.append((tag.end, location.end_tag.start_offset, ""))
        after_name = tag.start + 1 + len(tag.element.tag)
        edits.append((after_name, after_name, f' {_NUMBER}="{number}"'))
        if "style" in tag.attributes:
            start = tag.attributes["style"][0]
            edits.append((start, start + len("style"), "data-lq-style"))
    return f"{_edited(plain, edits)}<style>{css}</style>"


def _edited(text: str, edits: list[tuple[int, int, str]]) -> str:
    pieces: list[str] = []
    position = 0
    for start, end, new in sorted(edits):
        if start >= position:
            pieces += (text[position:start], new)
            position = end
    return "".join((*pieces, text[position:]))


def _with_styles(
    html: str, tags: list[StartTag], matches: list[list[StyleRule]], placeholders: Placeholders, notes: _Notes
) -> str:
    edits: list[tuple[int, int, str]] = []
    deadline = time.monotonic() + _MAX_SECONDS
    for tag, rules in zip(tags, matches, strict=True):
        if time.monotonic() > deadline:
            raise GaveUp
        if not rules or tag.element.tag in {"style", "head", "title", "meta", "script"}:
            continue
        if tag.liquid:
            line = html.count("\n", 0, tag.start) + 1
            notes.unknown.append(f"line {line} (the {tag.liquid} of <{tag.element.tag}>)")
            continue
        own = html[slice(*tag.attributes["style"])] if "style" in tag.attributes else ""
        before, after = cascade(rules, own, notes.overridden)
        if before or after:
            edits.append(_edit(tag, own, before, after, placeholders))
    return _edited(html, edits)


def _edit(
    tag: StartTag, own: str, before: list[Declaration], after: list[Declaration], placeholders: Placeholders
) -> tuple[int, int, str]:
    if not own:
        position = tag.start + 1 + len(tag.element.tag)
        return position, position, f' style="{_css([*before, *after], placeholders)}"'
    start, end = tag.attributes["style"]
    value = value_of(own)
    quote = "'" if own.rstrip().endswith("'") else '"'
    pieces = (_css(before, placeholders, quote), value, _css(after, placeholders, quote))
    return start, end, f"style={quote}{'; '.join(piece for piece in pieces if piece)}{quote}"


def _css(declarations: list[Declaration], placeholders: Placeholders, quote: str = '"') -> str:
    text = "; ".join(f"{one.name}: {one.value}" for one in declarations)
    reference = "&quot;" if quote == '"' else "&#39;"
    return placeholders.restore(text.replace("&", "&amp;").replace(quote, reference))


def _warnings(notes: _Notes, sheets: list[StyleSheet]) -> Iterator[str]:
    if any(sheet.has_liquid_tags for sheet in sheets):
        yield "A style sheet with Liquid tags is not inlined"
    if notes.linked:
        yield f"Style sheets are not fetched; put their rules into <style>: {_some(notes.linked)}"
    if notes.unknown:
        yield f"Not inlined, because they depend on Liquid: {_some(notes.unknown)}"
    if notes.overridden:
        yield (
            "Not inlined, because a media query or a rule such as :hover sets the same without !important: "
            f"{_some(list(notes.overridden))}"
        )


def _some(names: list[str]) -> str:
    more = len(names) - _MAX_NAMED
    return "; ".join(names[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
