"""Reads style sheets: which declarations may move into style attributes, and which apply only sometimes."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import tinycss2

_ALWAYS = frozenset({"", "all", "screen"})
_ABOUT_SIBLINGS = re.compile(r"[+~]|:(?:nth|first|last|only)-|:empty", re.IGNORECASE)
_PLAIN_PSEUDO = re.compile(
    r":(?:nth-[\w-]+|first-child|last-child|first-of-type|last-of-type|only-child|only-of-type|empty|root|link|not)\b",
    re.IGNORECASE,
)
_PSEUDO = re.compile(r":[\w-]+(?:\([^)]*\))?")
_PSEUDO_ELEMENT = re.compile(r"::|:(?:before|after|first-line|first-letter)\b", re.IGNORECASE)
_COMBINATOR = re.compile(r"[\s>+~]+")
_STRINGS = re.compile(r"""\[[^\]]*\]""")
_NESTED_RULES = frozenset({"media", "supports", "layer", "container", "document"})


@dataclass(frozen=True, slots=True)
class Declaration:
    name: str
    value: str
    important: bool


@dataclass(frozen=True, slots=True)
class StyleRule:
    """One selector and its declarations. `order` is (specificity, position). A `sometimes` rule applies under a condition,
    such as a media query or `:hover`: its selector then matches all elements to which it may apply.
    """

    selector: str
    written: str
    declarations: tuple[Declaration, ...]
    order: tuple[tuple[int, int, int], int]
    sometimes: bool


@dataclass(frozen=True, slots=True)
class StyleSheet:
    """The text of a `<style>`. `sometimes`: Liquid, the attribute `media` or Outlook decides whether it applies."""

    text: str
    sometimes: bool
    has_liquid_tags: bool


def rules_of(sheets: Iterable[StyleSheet], *, repeats: bool) -> list[StyleRule]:
    """The rules in their order. `repeats`: Liquid may repeat or omit elements, so siblings cannot be counted."""
    rules: list[StyleRule] = []
    for sheet in sheets:
        parsed = tinycss2.parse_stylesheet(sheet.text, skip_comments=True, skip_whitespace=True)
        for selectors, content, sometimes in _style_rules(parsed, sheet.sometimes):
            declarations = tuple(_declarations(content))
            if not declarations:
                continue
            for written in _split(selectors):
                rule = _rule(written, declarations, len(rules), sometimes=sometimes, repeats=repeats)
                if rule is not None:
                    rules.append(rule)
    return rules


def applies_always(media: str) -> bool:
    return media.strip().lower() in _ALWAYS


def _style_rules(parsed: Iterable[Any], sometimes: bool) -> Iterator[tuple[list[Any], list[Any], bool]]:
    for node in parsed:
        if node.type == "qualified-rule":
            yield node.prelude, node.content, sometimes
        elif node.type == "at-rule" and node.content is not None and node.lower_at_keyword in _NESTED_RULES:
            inner = tinycss2.parse_rule_list(node.content, skip_comments=True, skip_whitespace=True)
            always = node.lower_at_keyword == "media" and applies_always(tinycss2.serialize(node.prelude))
            yield from _style_rules(inner, sometimes or not always)


def _declarations(content: list[Any]) -> Iterator[Declaration]:
    for node in tinycss2.parse_blocks_contents(content, skip_comments=True, skip_whitespace=True):
        if node.type == "declaration":
            # Custom properties keep the case of their names.
            name = node.name if node.name.startswith("--") else node.lower_name
            yield Declaration(name, tinycss2.serialize(node.value).strip(), node.important)


def _split(selectors: list[Any]) -> Iterator[str]:
    part: list[Any] = []
    for token in [*selectors, None]:
        if token is not None and not (token.type == "literal" and token.value == ","):
            if token.type != "comment":
                part.append(token)
            continue
        if text := " ".join(tinycss2.serialize(part).split()):
            yield text
        part = []


def _rule(
    written: str, declarations: tuple[Declaration, ...], position: int, *, sometimes: bool, repeats: bool
) -> StyleRule | None:
    if _PSEUDO_ELEMENT.search(written):
        return None
    without_plain = _PLAIN_PSEUDO.sub("", written)
    counts = repeats and _ABOUT_SIBLINGS.search(_STRINGS.sub("", written)) is not None
    uncertain = counts or ":" in _STRINGS.sub("", without_plain)
    return StyleRule(
        _subject(written) if uncertain else written,
        written,
        declarations,
        (_specificity(written), position),
        sometimes or uncertain,
    )


def _subject(selector: str) -> str:
    """The last part of the selector, without pseudo-classes: it matches all elements that the selector could match."""
    return _PSEUDO.sub("", _COMBINATOR.split(selector)[-1]) or "*"


def _specificity(selector: str) -> tuple[int, int, int]:
    bare = _STRINGS.sub("[]", selector)
    ids = len(re.findall(r"#[\w-]+", bare))
    classes = len(re.findall(r"\.[\w-]+|\[\]|:(?!:|not\b)[\w-]+", bare))
    elements = len(re.findall(r"(?:^|[\s>+~(])[a-zA-Z][\w-]*", bare))
    return ids, classes, elements
