"""A template as it stands in the editor's form, and what the API is told of it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from console.services.previews import example_values, nested
from notifications import ApiError, Template

PARTS = ("subject", "preheader", "content", "text", "title", "body", "image", "link")
FIELDS = frozenset({*PARTS, "channels", "values", "code", "name", "description", "language"})
MAX_PART, MAX_VALUES = 262_144, 65_536  # characters that the API takes
# What the form does not show, and a new version keeps.
KEPT = ("link_schemes", "inline_css", "purpose", "sender")


@dataclass(frozen=True, slots=True)
class Draft:
    """`about` is what only a new template or language has: code, name, description, language. `values`: JSON, as typed."""

    parts: Mapping[str, str]
    channels: tuple[str, ...] = ()
    values: str = "{}"
    about: Mapping[str, str] = field(default_factory=dict)

    def part(self, name: str) -> str:
        return self.parts.get(name, "")


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is wrong: beside each field, and above the form what is about none. `newer`: the version that somebody else has
    saved in the meantime.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    general: str = ""
    newer: int | None = None


NOTHING_WRONG = Refusal()


class NotValues(ValueError):
    """What was typed as the values is no JSON object. The message says where."""


def draft_of(template: Template, values: str) -> Draft:
    return Draft({name: getattr(template, name) for name in PARTS}, tuple(template.channels), values)


def draft_of_form(form: Mapping[str, Any], channels: Iterable[str]) -> Draft:
    """Browsers end lines with CR and LF; templates have LF."""

    def text(name: str, longest: int) -> str:
        value = form.get(name, "")
        return value.replace("\r\n", "\n")[:longest] if isinstance(value, str) else ""

    about = {name: text(name, 2_000).strip() for name in ("code", "name", "description", "language") if name in form}
    parts = {name: text(name, MAX_PART) for name in PARTS}
    return Draft(
        parts, tuple(one for one in ("email", "push") if one in set(channels)), text("values", MAX_VALUES), about
    )


def read_values(text: str) -> dict[str, Any]:
    """Raises NotValues."""
    try:
        found = json.loads(text.strip() or "{}")
    except json.JSONDecodeError as wrong:
        raise NotValues(f"This is not JSON: {wrong.msg} in line {wrong.lineno}, column {wrong.colno}") from None
    except (ValueError, RecursionError):
        raise NotValues("This JSON has numbers or levels that are too large") from None
    if not isinstance(found, dict):
        raise NotValues("The values are one JSON object: { … }")
    return found


def pretty(values: Mapping[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False, indent=2)


def with_examples(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The values, with examples for those that are missing."""
    return _merged(nested(example_values(names)), values)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    made = {**below, **{name: value for name, value in above.items() if value is not None}}
    for name, value in below.items():
        if isinstance(value, Mapping) and isinstance(made[name], Mapping):
            made[name] = _merged(value, made[name])
    return made


def unsaved(draft: Draft, base: Template | None) -> dict[str, Any]:
    """For a preview. `base`: the version that is edited, whose settings count."""
    parts = {name: text for name, text in draft.parts.items() if text}
    settings = {} if base is None else {"link_schemes": base.link_schemes, "inline_css": base.inline_css}
    name = base.name if base else draft.about.get("name")
    return {**parts, **settings, **({"name": name} if name else {})}


def changes(draft: Draft, base: Template, active: Template) -> dict[str, Any]:
    """What a new version changes of the active one. `base` is the version that was edited."""
    told: dict[str, Any] = {name: draft.part(name) for name in PARTS}
    if draft.channels != tuple(active.channels):
        told["channels"] = list(draft.channels)
    for name in KEPT:
        if getattr(base, name) != getattr(active, name):
            value = getattr(base, name)
            told[name] = value.model_dump() if name == "sender" and value is not None else value
    return told


def new_template(draft: Draft, like: Template | None) -> dict[str, Any]:
    """A template, or a further language of one, with the settings of the language that it is made `like`."""
    parts = {name: text for name, text in draft.parts.items() if text}
    about = {name: text for name, text in draft.about.items() if text}
    channels = {"channels": list(draft.channels)} if draft.channels else {}
    if like is None:
        return {**about, **parts, **channels}
    kept = {name: getattr(like, name) for name in KEPT if getattr(like, name) is not None}
    if like.sender is not None:
        kept["sender"] = like.sender.model_dump()
    return {**kept, **about, **parts, **channels, "code": like.code, "name": like.name}


def refusal_of(error: ApiError) -> Refusal:
    """The API's problems, each beside its field."""
    problems = [(_field(one.field), one.message) for one in error.problems]
    beside = {name: message for name, message in reversed(problems) if name in FIELDS}
    rest = [f"{name}: {message}" for name, message in problems if name not in FIELDS]
    general = "; ".join(rest) or ("" if beside else error.message)
    return Refusal(beside, general)


def _field(name: str) -> str:
    return "values" if name.partition(".")[0] == "variables" else {"template_code": "code"}.get(name, name)


def missing_names(error: ApiError) -> Sequence[str]:
    return [one.field.removeprefix("variables.") for one in error.problems if one.field.startswith("variables.")]
