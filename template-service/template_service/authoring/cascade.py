"""What the rules that match one element declare together, in the order of the cascade."""

import re

from template_service.authoring.stylesheets import Declaration, StyleRule

_OWN_NAMES = re.compile(r"(?:^|;)\s*([\w-]+)\s*:")


def cascade(
    rules: list[StyleRule], own_style: str, overridden: dict[str, None]
) -> tuple[list[Declaration], list[Declaration]]:
    """The declarations before the element's own style, and the important ones after it, which override it.

    `own_style` is the element's attribute `style="..."` as it is written, or "". A declaration is left out if a later rule
    that applies only under a condition would win over it in the style sheet: in a style attribute it would always win.
    What is left out is added to `overridden`, for the warnings; its keys keep their order.
    """
    own_names = set() if "{%" in own_style else {name.lower() for name in _OWN_NAMES.findall(value_of(own_style))}
    ordered = sorted(rules, key=lambda rule: rule.order)
    conditional = [
        (rule, one.name) for rule in ordered if rule.sometimes for one in rule.declarations if not one.important
    ]
    chosen: dict[bool, list[Declaration]] = {False: [], True: []}
    for rule in ordered:
        if rule.sometimes:
            continue
        kept = []
        for one in rule.declarations:
            if one.name in own_names and not one.important:
                continue
            if any(other.order > rule.order and _related(name, one.name) for other, name in conditional):
                overridden.setdefault(f"{one.name} of '{rule.written}'")
            else:
                kept.append(one)
        for important, so_far in chosen.items():
            new = [one for one in kept if one.important is important]
            names = {one.name for one in new}
            so_far[:] = [one for one in so_far if one.name not in names] + new
    return chosen[False], chosen[True]


def _related(one: str, other: str) -> bool:
    """Whether one of the properties may set the other."""
    if one.startswith("border") and other.startswith("border"):
        return True
    if {one, other} == {"font", "line-height"}:
        return True
    return one == other or one.startswith(f"{other}-") or other.startswith(f"{one}-")


def value_of(attribute: str) -> str:
    """The value of `style="..."`, as it is written."""
    value = attribute.partition("=")[2].strip()
    return value[1:-1] if value[:1] in {'"', "'"} else value
