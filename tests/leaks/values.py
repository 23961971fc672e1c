"""What no log line may hold: people's values, and secrets.

Most are known by their shape. Names, variables and passwords have none: those of the tests' shared builders are marked, and
those that a test sends or is answered under a field's personal name are learnt from its traffic.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

SHAPES = {
    "address": r"[\w.+'-](?:@|%40)(?!localhost)(?:(?:[^\W_]|-)+\.)+[^\W\d_]{2,}",  # a node of RabbitMQ is at localhost
    "api_key": r"\bnk_(?:live_|test_)?[0-9A-Za-z_-]{22,}",
    "jwt": r"\beyJ[\w-]{5,}\.eyJ[\w-]{5,}",
    "bearer": r"(?i:bearer)[ +][\w.~+/-]{16,}",
    "password_hash": r"\$argon2|\$2[aby]\$\d\d\$",
    "private_key": r"-----BEGIN [A-Z ]*PRIVATE KEY",
    "credentials": r"://[^/\s:@]*:(?!\*)[^/\s:@]+@",
    "row": r"\w \([^()]*\)=\(|Failing row contains|\[parameters: |parameters: \$1",
    "marked": r"(?<![\w+/=-])(?:Ada|Old Name)(?![\w+/=-])|correct horse|another horse|hunter2|geheim",
}  # fmt: skip
_SHAPE = re.compile("|".join(f"(?P<{name}>{shape})" for name, shape in SHAPES.items()))

# A field of a body is personal by its name, wherever it is; in these, all that is in it.
FIELDS = frozenset({
    "email", "new_email", "password", "current_password", "new_password", "push_token", "token", "access_token",
    "refresh_token", "key", "secret", "endpoint", "p256dh", "auth", "subject", "title", "body", "html", "text",
})  # fmt: skip
CONTAINERS = frozenset({"variables", "metadata", "overrides", "recovery_codes"})
MIN_LENGTH = 8  # what is shorter is part of other words


def shape_in(text: str) -> str | None:
    """The kind of the first value that is known by its shape."""
    found = _SHAPE.search(text)
    return found.lastgroup if found else None


def personal_in(body: bytes) -> Iterator[str]:
    """The values of a JSON body that no log line may repeat."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return
    yield from (one for one in _personal(parsed, inside=False) if len(one) >= MIN_LENGTH)


def _personal(value: Any, *, inside: bool) -> Iterator[str]:
    match value:
        case str() if inside:
            yield value
        case list():
            for one in value:
                yield from _personal(one, inside=inside)
        case dict():
            for name, one in value.items():
                own = name in FIELDS and isinstance(one, str)
                yield from _personal(one, inside=inside or own or name in CONTAINERS or _is_persons_name(name, value))


def _is_persons_name(field: str, holder: dict[str, Any]) -> bool:
    """Templates, applications and keys have names too, which are logged by nobody either, and are no secrets."""
    return field == "name" and "email" in holder
