"""The start tags of an HTML source, with their positions."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from turbohtml import Element, parse

from template_service.authoring.liquid_places import Place
from templating.html_state import Mode


@dataclass(slots=True)
class StartTag:
    """A start tag in the source: where it is, and where its attribute `style` is, if it has one."""

    element: Element
    start: int
    end: int
    attributes: Mapping[str, tuple[int, int]]
    liquid: str = ""
    """What in it depends on Liquid so that its rules cannot be known."""


def start_tags(plain: str) -> Iterator[StartTag]:
    for element in parse(plain, source_locations=True).find_all():
        location = element.source_location
        if location is not None and location.start_tag is not None:
            span = location.start_tag
            attributes = {name: (one.start_offset, one.end_offset) for name, one in location.attrs.items()}
            yield StartTag(element, span.start_offset, span.end_offset, attributes)


def mark_liquid(tags: Iterable[StartTag], found: list[Place]) -> None:
    """Sets `liquid` of the start tags."""
    inside = [place for place in found if place.state.mode in {Mode.VALUE, Mode.TAG}]
    at = 0
    for tag in sorted(tags, key=lambda one: one.start):
        while at < len(inside) and inside[at].mark.start < tag.start:
            at += 1
        for place in inside[at:]:
            if place.mark.start >= tag.end:
                break
            if place.state.mode is Mode.TAG:
                tag.liquid = "attributes"
            elif place.state.attribute in {"class", "id"}:
                tag.liquid = place.state.attribute
