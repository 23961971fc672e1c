"""What the gateway's tables say of people, sealed where DATA_ENCRYPTION_KEYS says so (chassis.data_keys, ADR 26).

A sealed object is a JSON string where a plain one is a JSON object. What a provider or a callback said is in `detail` while
it is plain and in `sealed_detail` while it is sealed, in the row and in its history alike.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson

from chassis.data_keys import PREFIX, DataKeys, FreeText
from chassis.json_values import JsonObject
from chassis.serialization import to_json_text

VARIABLES = "notifications.variables"
METADATA = "notifications.metadata"
RECIPIENT = "notifications.recipient"
SENDER = "notifications.sender"
DETAIL = "notifications.detail"
BODY_HASH = "idempotency_keys.body_hash"  # who knows the rest of a body finds a short value by trying them all

Document = dict[str, Any]


def read_object(keys: DataKeys, column: str, row: UUID, stored: str) -> JsonObject:
    """Of `stored`, the JSON text of a variables or metadata column. Raises ValueUnreadable."""
    return JsonObject(keys.read(column, row, stored.strip('"')))


def rewrite_object(keys: DataKeys, column: str, row: UUID, stored: str) -> str:
    """The JSON text as it is written now. Raises ValueUnreadable."""
    text = keys.rewrite(column, row, stored.strip('"'))
    return f'"{text}"' if text.startswith(PREFIX) else text


def write_document(keys: DataKeys, column: str, row: UUID, value: object) -> object:
    """Of `recipient` and `sender`, whose form is ours."""
    return keys.seal(column, row, to_json_text(value)) if keys.seals and value is not None else value


def read_document(keys: DataKeys, column: str, row: UUID, stored: Document | str | None) -> Document | None:
    """Raises ValueUnreadable."""
    if isinstance(stored, str):
        found: Document = orjson.loads(keys.open(column, row, stored))
        return found
    return stored


def rewrite_document(keys: DataKeys, column: str, row: UUID, stored: Document | str | None) -> object:
    """As it is written now. Raises ValueUnreadable."""
    if isinstance(stored, str) and keys.is_current(stored):
        return stored
    return write_document(keys, column, row, read_document(keys, column, row, stored))


def write_detail(keys: DataKeys, row: UUID, detail: str | None) -> dict[str, str | None]:
    """The fields of a statement's parameters, or of an entry of the history."""
    return _fields(keys.write_free(DETAIL, row, detail))


def read_detail(keys: DataKeys, row: UUID, plain: str | None, sealed: str | None) -> str | None:
    """Raises ValueUnreadable."""
    return keys.read_free(DETAIL, row, FreeText(plain, sealed))


def read_history(keys: DataKeys, row: UUID, history: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Raises ValueUnreadable."""
    return [
        {**entry, "detail": read_detail(keys, row, entry.get("detail"), entry.get("sealed_detail"))}
        for entry in history
    ]


def rewrite_history(keys: DataKeys, row: UUID, history: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """As it is written now. Raises ValueUnreadable."""
    return [_rewritten(keys, row, dict(entry)) for entry in history]


def _rewritten(keys: DataKeys, row: UUID, entry: dict[str, Any]) -> dict[str, Any]:
    before = FreeText(entry.get("detail"), entry.get("sealed_detail"))
    after = keys.rewrite_free(DETAIL, row, before)
    if after == before:
        return entry
    return {**{name: value for name, value in entry.items() if name != "sealed_detail"}, **_fields(after)}


def _fields(text: FreeText) -> dict[str, str | None]:
    return {"detail": text.plain} if text.sealed is None else {"detail": None, "sealed_detail": text.sealed}
