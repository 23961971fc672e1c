"""Merges two OpenAPI documents: the routes of a service, and the routes that it forwards to another service."""

import copy
from collections.abc import Iterable, Iterator
from typing import Any

Json = dict[str, Any]


class DuplicateInDocuments(Exception):
    """Two documents declare the same path or operation id."""


def only(document: Json, prefixes: Iterable[str]) -> Json:
    """The part of `document` below `prefixes`, with the components and tags that it uses."""
    begins = tuple(prefixes)
    paths = {path: item for path, item in document["paths"].items() if _is_below(path, begins)}
    used = {tag for operation in _operations(paths) for tag in operation.get("tags", ())}
    return {
        "paths": paths,
        "components": used_components(paths, document.get("components", {})),
        "tags": [tag for tag in document.get("tags", ()) if tag["name"] in used],
    }


def add(document: Json, other: Json, name: str) -> None:
    """Adds `other`'s paths, components and tags to `document`.

    A component that is equal in both is shared. A component that differs is added with `name` as the prefix of its name.
    Raises DuplicateInDocuments.
    """
    other = copy.deepcopy(other)
    _check_apart(document, other)
    sections: Json = document.setdefault("components", {})
    renamed = _renamed(sections, other["components"], name)
    rename(other, renamed)
    for section, parts in other["components"].items():
        own = sections.setdefault(section, {})
        for key, part in parts.items():
            reference = f"#/components/{section}/{key}"
            own[renamed.get(reference, reference).rpartition("/")[2]] = part
        sections[section] = dict(sorted(own.items()))
    document["paths"] |= other["paths"]
    known = {tag["name"] for tag in document.get("tags", ())}
    document["tags"] = [*document.get("tags", ()), *(tag for tag in other["tags"] if tag["name"] not in known)]


def used_components(part: object, components: Json) -> Json:
    """The components that `part` uses, directly or indirectly. References to security schemes are by name."""
    found: dict[str, Json] = {}
    waiting = [part]
    while waiting:
        for reference in set(_references(waiting.pop())) - found.keys():
            _, _, section, name = reference.split("/")
            found[reference] = components[section][name]
            waiting.append(found[reference])
    named = (one for node in _nodes(part) for one in _list(node.get("security")))
    schemes = {name for one in named for name in one}
    found |= {f"#/components/securitySchemes/{name}": components["securitySchemes"][name] for name in schemes}
    kept: Json = {}
    for reference in sorted(found):
        _, _, section, name = reference.split("/")
        kept.setdefault(section, {})[name] = found[reference]
    return kept


def _list(value: object) -> list[Json]:
    return value if isinstance(value, list) else []


def rename(document: Json, renamed: dict[str, str]) -> None:
    """Updates references to renamed components."""
    for node in _nodes(document):
        if isinstance(node.get("$ref"), str):
            node["$ref"] = renamed.get(node["$ref"], node["$ref"])
        if "propertyName" in node and isinstance(node.get("mapping"), dict):  # a discriminator
            node["mapping"] = {value: renamed.get(target, target) for value, target in node["mapping"].items()}


def _renamed(sections: Json, others: Json, name: str) -> dict[str, str]:
    """The components to rename: those that differ between the documents, and those that refer to a differing one."""
    both = {
        f"#/components/{section}/{key}": (sections[section][key], part)
        for section, parts in others.items()
        for key, part in parts.items()
        if key in sections.get(section, {})
    }
    differ = {reference for reference, (mine, other) in both.items() if mine != other}
    while more := {key for key, (_, other) in both.items() if key not in differ and differ & set(_references(other))}:
        differ |= more
    return {reference: f"{reference.rpartition('/')[0]}/{name}{reference.rpartition('/')[2]}" for reference in differ}


def _is_below(path: str, prefixes: tuple[str, ...]) -> bool:
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in prefixes)


def _operations(paths: Json) -> Iterator[Json]:
    for item in paths.values():
        yield from item.values()


def _ids(document: Json) -> set[str]:
    return {operation["operationId"] for operation in _operations(document["paths"])}


def _check_apart(document: Json, other: Json) -> None:
    twice = (document["paths"].keys() & other["paths"].keys()) | (_ids(document) & _ids(other))
    if twice:
        raise DuplicateInDocuments(f"in both documents: {', '.join(sorted(twice))}")


def _nodes(node: object) -> Iterator[Json]:
    """Every object in the document."""
    match node:
        case dict():
            yield node
            for part in node.values():
                yield from _nodes(part)
        case list():
            for part in node:
                yield from _nodes(part)


def _references(part: object) -> Iterator[str]:
    return (node["$ref"] for node in _nodes(part) if isinstance(node.get("$ref"), str))
