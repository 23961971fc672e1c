"""Variables from flags, a file, or standard input. Flags win."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from notifications.cli.exits import CommandError


def variables(flags: Sequence[str], source: str | None) -> dict[str, Any]:
    """`source` is a file's name, `-`, or None. `order.id=A-1` is the `id` in `order`."""
    found = {} if source is None else _read(source)
    for flag in flags:
        name, value = _parsed(flag)
        put(found, name, value)
    return found


def put(found: dict[str, Any], name: str, value: object) -> None:
    """Sets a dotted name. Raises CommandError if a part of it is a value already."""
    *above, last = name.split(".")
    place = found
    for step in above:
        inner = place.setdefault(step, {})
        if not isinstance(inner, dict):
            raise CommandError(f"The variable {name} contradicts {step}, which has a value itself")
        place = inner
    if not all((*above, last)):
        raise CommandError(f"{name!r} is no name of a variable")
    if isinstance(place.get(last), dict) and not isinstance(value, dict):
        raise CommandError(f"The variable {name} has a value, and variables below it")
    place[last] = value


def _parsed(flag: str) -> tuple[str, object]:
    name, equals, text = flag.partition("=")
    if not equals or not name.strip(": "):
        raise CommandError(f"--var {flag}: write NAME=VALUE")
    if not name.endswith(":"):
        return name.strip(), text
    try:
        return name[:-1].strip(), json.loads(text)
    except ValueError as error:
        raise CommandError(f"--var {name}={text}: that is not JSON; texts are written NAME=VALUE") from error


def _read(source: str) -> dict[str, Any]:
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8-sig")
        found = json.loads(text)
    except OSError as error:
        raise CommandError(f"{source} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{'Standard input' if source == '-' else source} is not JSON") from error
    if not isinstance(found, dict):
        raise CommandError('Variables are a JSON object, such as {"name": "Ada"}')
    return found
