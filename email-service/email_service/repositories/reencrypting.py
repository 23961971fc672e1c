"""The e-mail service's tables with personal values, for `python -m email_service reencrypt`."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import text

from chassis.postgres.autocommit import records
from chassis.security.data_keys import DataKeys
from chassis.server.reencrypting import VERSION, PersonalTable
from delivery.ledger import personal_deliveries
from email_service.repositories.suppressions import MASKED

PAGE = text(f"""
SELECT s.fingerprint, s.{VERSION}, s.masked FROM email_suppressions s
WHERE s.fingerprint > :fingerprint ORDER BY s.fingerprint LIMIT :limit
""")  # noqa: S608 - constants of ours

WRITE = text(f"""
WITH given AS {records("rows", "fingerprint text, version text, masked text", key="fingerprint")},
unchanged AS (
    SELECT s.fingerprint FROM email_suppressions s JOIN given USING (fingerprint)
    WHERE s.xmin::text = given.version FOR UPDATE OF s SKIP LOCKED
)
UPDATE email_suppressions s SET masked = g.masked
FROM given g JOIN unchanged USING (fingerprint) WHERE s.fingerprint = g.fingerprint
RETURNING s.fingerprint
""")  # noqa: S608 - constants of ours


def _suppression(row: Any, data_keys: DataKeys) -> Mapping[str, object] | None:
    masked = data_keys.rewrite(MASKED, row.fingerprint, row.masked)
    return None if masked == row.masked else {"masked": masked}


PERSONAL = (
    personal_deliveries("email"),
    PersonalTable("email_suppressions", {"fingerprint": ""}, PAGE, WRITE, _suppression),
)
