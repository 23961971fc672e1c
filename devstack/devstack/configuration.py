"""Writes and checks the reference of all settings, from the settings classes: `python -m devstack.configuration
write|check`.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from api_gateway.settings import GatewaySettings
from chassis.server.commands import plain_end
from chassis.settings import ServiceSettings
from console.settings import ConsoleSettings
from contracts.services import PeerSettings
from delivery.settings import WorkerSettings
from email_service.settings import EmailSettings
from push_service.settings import PushSettings
from template_service.settings import TemplateSettings
from user_service.settings import UserSettings

FILE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "configuration.md"
SECTIONS: Sequence[tuple[str, type[ServiceSettings], Sequence[type[ServiceSettings]]]] = (
    ("Every service", PeerSettings, ()),
    ("Both workers", WorkerSettings, (PeerSettings,)),
    ("api-gateway", GatewaySettings, (PeerSettings,)),
    ("user-service", UserSettings, (PeerSettings,)),
    ("template-service", TemplateSettings, (PeerSettings,)),
    ("email-service", EmailSettings, (WorkerSettings,)),
    ("push-service", PushSettings, (WorkerSettings,)),
    ("console", ConsoleSettings, (PeerSettings,)),
)
HEAD = """# Configuration

Every setting is an environment variable; a service also reads them from a file `.env` in its working directory. Values that
are not valid, and in production (`ENVIRONMENT=production`) weak secrets, end the start with one line that names the variable.
This page is made from the settings classes: `make schemas` writes it, `make check` compares it.
"""


def reference() -> str:
    return HEAD + "".join(_section(*section) for section in SECTIONS)


def undescribed() -> list[str]:
    """The settings without a description."""
    return sorted(
        {
            f"{kind.__name__}.{name}"
            for _, kind, _ in SECTIONS
            for name in kind.model_fields
            if not _described(kind, name)
        }
    )


def _described(kind: type[ServiceSettings], name: str) -> str:
    """The description. A class that only changes a default inherits it."""
    fields = (one.model_fields.get(name) for one in kind.__mro__ if issubclass(one, ServiceSettings))
    return next((field.description for field in fields if field is not None and field.description), "")


def _section(title: str, kind: type[ServiceSettings], known: Sequence[type[ServiceSettings]]) -> str:
    rows = "".join(_rows(kind, known))
    return f"\n## {title}\n\n| variable | default | what it does |\n|---|---|---|\n{rows}"


def _rows(kind: type[ServiceSettings], known: Sequence[type[ServiceSettings]]) -> Iterator[str]:
    """The settings of `kind`, except those that an earlier section has with the same default."""
    for name, field in kind.model_fields.items():
        if any(name in one.model_fields and _default(one.model_fields[name]) == _default(field) for one in known):
            continue
        yield f"| `{name.upper()}` | {_default(field)} | {_words(kind, name, field)} |\n"


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined and field.default_factory is None:
        return "required"
    value: Any = field.get_default(call_default_factory=False)
    if field.default_factory is not None or isinstance(value, SecretStr) or value is PydanticUndefined:
        return "development only"
    if value is None or value in ("", (), []):
        return "unset"
    if isinstance(value, list | tuple):
        value = ",".join(map(str, value))
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _words(kind: type[ServiceSettings], name: str, field: FieldInfo) -> str:
    text = _described(kind, name).replace("|", "\\|").replace("\n", " ")
    choices = _choices(field.annotation)
    return f"{text} ({', '.join(f'`{choice}`' for choice in choices)})" if choices else text


def _choices(annotation: object) -> Sequence[str]:
    return [str(one) for one in get_args(annotation)] if get_origin(annotation) is Literal else []


def main(task: str) -> int:
    if task == "write":
        FILE.write_text(reference())
        return 0
    if not FILE.exists() or FILE.read_text() != reference():
        sys.stderr.write(f"{FILE} differs from the settings classes: run `make schemas`\n")
        return 1
    return 0


if __name__ == "__main__":
    with plain_end():
        raise SystemExit(main(sys.argv[1] if len(sys.argv) > 1 else "check"))
