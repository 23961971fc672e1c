"""Personal values in the gateway's tables, sealed if DATA_ENCRYPTION_KEYS is set (chassis.security.data_keys, ADR 26).

A sealed object is a JSON string, a plain one is a JSON object. The text of a provider or a callback is in `detail` if it is
plain and in `sealed_detail` if it is sealed, both in the row and in its history.
"""

import binascii
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from pydantic import TypeAdapter
from sqlalchemy import text

from chassis.json_values import JsonObject, to_json_text
from chassis.postgres.autocommit import records
from chassis.security.data_keys import PREFIX, DataKeys, FreeText, StoredBytes
from chassis.server.reencrypting import VERSION, PersonalTable
from contracts.recipients import EmailRecipient, PushRecipient

# Values as the caller wrote them; rows of a gateway of the previous release have them in jsonb only (ADR 16).
GIVEN_VARIABLES = "coalesce(n.given_variables, CAST(n.variables AS json))::text AS variables"
GIVEN_METADATA = "coalesce(n.given_metadata, CAST(n.metadata AS json))::text AS metadata"

VARIABLES = "notifications.variables"
METADATA = "notifications.metadata"
RECIPIENT = "notifications.recipient"
GIVEN_RECIPIENT = "notifications.given_recipient"
SENDER = "notifications.sender"
EMAIL_OPTIONS = "notifications.email_options"
ATTACHMENT = "attachments.content"
OVERRIDES = "notifications.overrides"
DETAIL = "notifications.detail"
DOCUMENTS = {
    "recipient": RECIPIENT,
    "given_recipient": GIVEN_RECIPIENT,
    "sender": SENDER,
    "email_options": EMAIL_OPTIONS,
    "overrides": OVERRIDES,
}
BODY_HASH = "idempotency_keys.body_hash"  # sealed too: a short value can be found by trying all, if the rest is known

Document = dict[str, Any]
_RECIPIENT: TypeAdapter[EmailRecipient | PushRecipient] = TypeAdapter(EmailRecipient | PushRecipient)


def read_object(data_keys: DataKeys, column: str, row: UUID, stored: str) -> JsonObject:
    """Reads `stored`, the JSON text of a variables or metadata column. Raises ValueUnreadable."""
    return JsonObject(data_keys.read(column, row, stored.strip('"')))


def rewrite_object(data_keys: DataKeys, column: str, row: UUID, stored: str) -> str:
    """The JSON text in the form in which it is written now. Raises ValueUnreadable."""
    text = data_keys.rewrite(column, row, stored.strip('"'))
    return f'"{text}"' if text.startswith(PREFIX) else text


def write_document(data_keys: DataKeys, column: str, row: UUID, value: object) -> object:
    """For `recipient`, `given_recipient`, `sender`, `email_options` and `overrides`, whose format is ours."""
    return data_keys.seal(column, row, to_json_text(value)) if data_keys.seals and value is not None else value


def read_document(data_keys: DataKeys, column: str, row: UUID, stored: Document | str | None) -> Document | None:
    """Raises ValueUnreadable."""
    if isinstance(stored, str):
        found: Document = orjson.loads(data_keys.open(column, row, stored))
        return found
    return stored


def read_given_recipient(
    data_keys: DataKeys, row: UUID, stored: Document | str | None
) -> EmailRecipient | PushRecipient | None:
    """Raises ValueUnreadable."""
    return read_recipient(data_keys, row, given=stored, found=None)


def read_recipient(
    data_keys: DataKeys, row: UUID, *, given: Document | str | None, found: Document | str | None
) -> EmailRecipient | PushRecipient | None:
    """`given` by the request, or else as it was `found`. Raises ValueUnreadable."""
    column, stored = (RECIPIENT, found) if given is None else (GIVEN_RECIPIENT, given)
    document = read_document(data_keys, column, row, stored)
    return None if document is None else _RECIPIENT.validate_python(document)


def rewrite_document(data_keys: DataKeys, column: str, row: UUID, stored: Document | str | None) -> object:
    """The value in the form in which it is written now. Raises ValueUnreadable."""
    if isinstance(stored, str) and data_keys.is_current(stored):
        return stored
    return write_document(data_keys, column, row, read_document(data_keys, column, row, stored))


def write_detail(data_keys: DataKeys, row: UUID, detail: str | None) -> dict[str, str | None]:
    """The fields for a statement's parameters, or for an entry of the history."""
    return _fields(data_keys.write_free(DETAIL, row, detail))


def read_detail(data_keys: DataKeys, row: UUID, plain: str | None, sealed: str | None) -> str | None:
    """Raises ValueUnreadable."""
    return data_keys.read_free(DETAIL, row, FreeText(plain, sealed))


def read_history(data_keys: DataKeys, row: UUID, history: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Raises ValueUnreadable."""
    return [
        {**entry, "detail": read_detail(data_keys, row, entry.get("detail"), entry.get("sealed_detail"))}
        for entry in history
    ]


def rewrite_history(data_keys: DataKeys, row: UUID, history: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The history in the form in which it is written now. Raises ValueUnreadable."""
    return [_rewritten(data_keys, row, dict(entry)) for entry in history]


def _rewritten(data_keys: DataKeys, row: UUID, entry: dict[str, Any]) -> dict[str, Any]:
    before = FreeText(entry.get("detail"), entry.get("sealed_detail"))
    after = data_keys.rewrite_free(DETAIL, row, before)
    if after == before:
        return entry
    return {**{name: value for name, value in entry.items() if name != "sealed_detail"}, **_fields(after)}


def _fields(text: FreeText) -> dict[str, str | None]:
    return {"detail": text.plain} if text.sealed is None else {"detail": None, "sealed_detail": text.sealed}


PAGE = text(f"""
SELECT n.id, n.{VERSION}, {GIVEN_VARIABLES}, {GIVEN_METADATA}, n.recipient, n.given_recipient, n.sender, n.email_options,
    n.overrides, n.detail, n.sealed_detail, n.history
FROM notifications n WHERE n.id > :id ORDER BY n.id LIMIT :limit
""")  # noqa: S608 - the columns are ours

COLUMNS = """id uuid, version text, variables json, metadata json, recipient jsonb, given_recipient jsonb, sender jsonb,
    email_options jsonb, overrides jsonb, detail text, sealed_detail text, history jsonb"""
WRITE = text(f"""
WITH given AS {records("rows", COLUMNS, key="id")},
unchanged AS (
    SELECT n.id FROM notifications n JOIN given USING (id)
    WHERE n.xmin::text = given.version FOR UPDATE OF n SKIP LOCKED
)
UPDATE notifications n SET given_variables = g.variables, given_metadata = g.metadata,
    variables = CASE json_typeof(g.variables) WHEN 'object' THEN CAST(g.variables AS jsonb) ELSE '{{}}' END,
    metadata = CASE json_typeof(g.metadata) WHEN 'object' THEN CAST(g.metadata AS jsonb) ELSE '{{}}' END,
    recipient = g.recipient, given_recipient = g.given_recipient, sender = g.sender, email_options = g.email_options,
    overrides = g.overrides, detail = g.detail, sealed_detail = g.sealed_detail, history = g.history
FROM given g JOIN unchanged USING (id) WHERE n.id = g.id
RETURNING n.id
""")  # noqa: S608 - as above

PAGE_OF_KEYS = text(f"""
SELECT k.caller, k.key, k.{VERSION}, k.notification_id, k.body_hash FROM idempotency_keys k
WHERE (k.caller, k.key) > (:caller, :key) ORDER BY k.caller, k.key LIMIT :limit
""")  # noqa: S608 - as above

WRITE_KEYS = text(f"""
WITH given AS {records("rows", "caller text, key text, version text, body_hash text", key="key")},
unchanged AS (
    SELECT k.caller, k.key FROM idempotency_keys k JOIN given USING (caller, key)
    WHERE k.xmin::text = given.version FOR UPDATE OF k SKIP LOCKED
)
UPDATE idempotency_keys k SET body_hash = g.body_hash
FROM given g JOIN unchanged USING (caller, key) WHERE k.caller = g.caller AND k.key = g.key
RETURNING k.key
""")  # noqa: S608 - as above


def _notification(row: Any, data_keys: DataKeys) -> Mapping[str, object] | None:
    detail, sealed_detail = data_keys.rewrite_free(DETAIL, row.id, FreeText(row.detail, row.sealed_detail))
    before = {name: getattr(row, name) for name in ("variables", "metadata", *DOCUMENTS, "detail", "history")}
    after: dict[str, object] = {
        "variables": rewrite_object(data_keys, VARIABLES, row.id, row.variables),
        "metadata": rewrite_object(data_keys, METADATA, row.id, row.metadata),
        **{name: rewrite_document(data_keys, column, row.id, getattr(row, name)) for name, column in DOCUMENTS.items()},
        "detail": detail,
        "sealed_detail": sealed_detail,
        "history": rewrite_history(data_keys, row.id, row.history),
    }
    if after == {**before, "sealed_detail": row.sealed_detail}:
        return None
    texts = {name: orjson.Fragment(str(after[name])) for name in ("variables", "metadata")}
    return {**after, **texts}


def _idempotency_key(row: Any, data_keys: DataKeys) -> Mapping[str, object] | None:
    body_hash = data_keys.rewrite(BODY_HASH, row.notification_id, row.body_hash)
    return None if body_hash == row.body_hash else {"body_hash": body_hash}


PAGE_OF_ATTACHMENTS = text(f"""
SELECT id, {VERSION}, content, key FROM attachments WHERE id > :id ORDER BY id LIMIT :limit
""")  # noqa: S608 - the column is ours

WRITE_ATTACHMENTS = text(f"""
WITH given AS {records("rows", "id uuid, version text, content text, key text", key="id")},
unchanged AS (
    SELECT a.id FROM attachments a JOIN given USING (id) WHERE a.xmin::text = given.version FOR UPDATE OF a SKIP LOCKED
)
UPDATE attachments a SET content = decode(g.content, 'base64'), key = g.key
FROM given g JOIN unchanged USING (id) WHERE a.id = g.id
RETURNING a.id
""")  # noqa: S608 - as above
ATTACHMENTS_AT_ONCE = 4  # each has up to 7 MB


def _attachment(row: Any, data_keys: DataKeys) -> Mapping[str, object] | None:
    if row.key == data_keys.current_key:
        return None
    written = data_keys.write_bytes(
        ATTACHMENT, row.id, data_keys.read_bytes(ATTACHMENT, row.id, StoredBytes(row.content, row.key))
    )
    return {"content": binascii.b2a_base64(written.content, newline=False).decode(), "key": written.key}


PERSONAL = (
    PersonalTable("notifications", {"id": UUID(int=0)}, PAGE, WRITE, _notification),
    PersonalTable("idempotency_keys", {"caller": "", "key": ""}, PAGE_OF_KEYS, WRITE_KEYS, _idempotency_key),
    PersonalTable(
        "attachments", {"id": UUID(int=0)}, PAGE_OF_ATTACHMENTS, WRITE_ATTACHMENTS, _attachment, ATTACHMENTS_AT_ONCE
    ),
)
