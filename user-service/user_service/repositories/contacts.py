"""How to reach users, as the JSON text that other services get."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import text

from chassis.autocommit import StatementExecutor
from chassis.rowsets import ids
from contracts.lookups import NO_APPLICATION

# PostgreSQL writes the JSON: made of rows and models here, a user of a large group cost ten times as much.
# Whoever has claimed an account is no application's contact any more (`users.is_contact`).
# A user's devices are found by the index on (user_id, token); the oldest comes first.
FIND = text(f"""
SELECT coalesce(json_object_agg(u.id, json_build_object(
    'id', u.id, 'name', u.name, 'email', u.email, 'language', u.language,
    'preferences', json_build_object('email', u.wants_email, 'push', u.wants_push),
    'push_tokens', coalesce((
        SELECT json_agg(json_build_object(
            'provider', t.provider, 'token', t.token,
            'keys', CASE WHEN t.provider = 'web_push' THEN json_build_object('p256dh', t.p256dh, 'auth', t.auth) END
        ) ORDER BY t.created_at, t.id)
        FROM user_push_tokens t WHERE t.user_id = u.id
    ), '[]'),
    'application_id', CASE WHEN u.email_key IS NULL THEN coalesce(u.application_id, '{NO_APPLICATION}') END
)), '{{}}')::text AS users
FROM {ids("ids")} AS wanted JOIN users u USING (id)
""")  # noqa: S608 - the columns are ours


async def find(connection: StatementExecutor, wanted: Collection[UUID]) -> str:
    """A JSON object: under the id of each that there is a `contracts.lookups.UserContact`. One statement for all."""
    [row] = await connection.execute(FIND, {"ids": list(set(wanted))})
    found: str = row.users
    return found
