"""The gateway's tables with personal values, for `python -m api_gateway reencrypt`."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text

from api_gateway.repositories.outbox import GIVEN_METADATA, GIVEN_VARIABLES
from api_gateway.repositories.personal import (
    BODY_HASH,
    DETAIL,
    METADATA,
    RECIPIENT,
    SENDER,
    VARIABLES,
    rewrite_document,
    rewrite_history,
    rewrite_object,
)
from chassis.data_keys import DataKeys, FreeText
from chassis.reencrypting import VERSION, PersonalTable
from chassis.rowsets import records

PAGE = text(f"""
SELECT n.id, n.{VERSION}, {GIVEN_VARIABLES}, {GIVEN_METADATA}, n.recipient, n.sender, n.detail, n.sealed_detail,
    n.history
FROM notifications n WHERE n.id > :id ORDER BY n.id LIMIT :largest
""")  # noqa: S608 - the columns are ours

COLUMNS = """id uuid, version text, variables json, metadata json, recipient jsonb, sender jsonb, detail text,
    sealed_detail text, history jsonb"""
WRITE = text(f"""
WITH given AS {records("rows", COLUMNS, key="id")},
unchanged AS (
    SELECT n.id FROM notifications n JOIN given USING (id)
    WHERE n.xmin::text = given.version FOR UPDATE OF n SKIP LOCKED
)
UPDATE notifications n SET given_variables = g.variables, given_metadata = g.metadata,
    variables = CASE json_typeof(g.variables) WHEN 'object' THEN CAST(g.variables AS jsonb) ELSE '{{}}' END,
    metadata = CASE json_typeof(g.metadata) WHEN 'object' THEN CAST(g.metadata AS jsonb) ELSE '{{}}' END,
    recipient = g.recipient, sender = g.sender, detail = g.detail, sealed_detail = g.sealed_detail, history = g.history
FROM given g JOIN unchanged USING (id) WHERE n.id = g.id
RETURNING n.id
""")  # noqa: S608 - as above

PAGE_OF_KEYS = text(f"""
SELECT k.caller, k.key, k.{VERSION}, k.notification_id, k.body_hash FROM idempotency_keys k
WHERE (k.caller, k.key) > (:caller, :key) ORDER BY k.caller, k.key LIMIT :largest
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


def _notification(row: Any, keys: DataKeys) -> Mapping[str, object] | None:
    detail, sealed_detail = keys.rewrite_free(DETAIL, row.id, FreeText(row.detail, row.sealed_detail))
    before = {
        name: getattr(row, name) for name in ("variables", "metadata", "recipient", "sender", "detail", "history")
    }
    after: dict[str, object] = {
        "variables": rewrite_object(keys, VARIABLES, row.id, row.variables),
        "metadata": rewrite_object(keys, METADATA, row.id, row.metadata),
        "recipient": rewrite_document(keys, RECIPIENT, row.id, row.recipient),
        "sender": rewrite_document(keys, SENDER, row.id, row.sender),
        "detail": detail,
        "sealed_detail": sealed_detail,
        "history": rewrite_history(keys, row.id, row.history),
    }
    if after == {**before, "sealed_detail": row.sealed_detail}:
        return None
    texts = {name: orjson.Fragment(str(after[name])) for name in ("variables", "metadata")}
    return {**after, **texts}


def _key(row: Any, keys: DataKeys) -> Mapping[str, object] | None:
    body_hash = keys.rewrite(BODY_HASH, row.notification_id, row.body_hash)
    return None if body_hash == row.body_hash else {"body_hash": body_hash}


PERSONAL = (
    PersonalTable("notifications", {"id": UUID(int=0)}, PAGE, WRITE, _notification),
    PersonalTable("idempotency_keys", {"caller": "", "key": ""}, PAGE_OF_KEYS, WRITE_KEYS, _key),
)
