"""Writes and checks the committed JSON Schemas of the messages: `python -m contracts.schemas write|check`."""

import json
import sys
from pathlib import Path

from pydantic import BaseModel

from chassis.server.commands import plain_end
from contracts.messages import NotificationMessage, StatusEvents

FOLDER = Path(__file__).parent.parent / "schemas"
MESSAGES: dict[str, type[BaseModel]] = {
    "notification.v1.json": NotificationMessage,
    "status_events.v1.json": StatusEvents,
}


def current() -> dict[str, str]:
    """File name → schema text, from the code."""
    return {
        name: json.dumps(model.model_json_schema(), indent=2, sort_keys=True) + "\n" for name, model in MESSAGES.items()
    }


def differing() -> list[str]:
    """The committed files that are missing or differ from the code."""
    return [
        name for name, text in current().items() if not (FOLDER / name).exists() or (FOLDER / name).read_text() != text
    ]


def main(task: str) -> int:
    if task == "write":
        FOLDER.mkdir(exist_ok=True)
        for name, text in current().items():
            (FOLDER / name).write_text(text)
        return 0
    stale = differing()
    for name in stale:
        sys.stderr.write(f"{FOLDER / name} differs from the code: run `make schemas`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    with plain_end():
        raise SystemExit(main(sys.argv[1] if len(sys.argv) > 1 else "check"))
