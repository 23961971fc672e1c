"""A channel's deliveries, for the command `reencrypt` (chassis.reencrypting)."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from chassis.data_keys import DataKeys
from chassis.reencrypting import VERSION, PersonalTable
from chassis.rowsets import records
from delivery.ledger import statements
from delivery.ledger.personal import PersonalColumns

PAGE = f"""
SELECT d.notification_id, d.recipient, d.{VERSION}, d.message, d.contact, d.detail, d.sealed_detail FROM {{deliveries}} d
WHERE (d.notification_id, d.recipient) > (:notification_id, :recipient)
ORDER BY d.notification_id, d.recipient LIMIT :largest
"""  # noqa: S608 - constants of ours

COLUMNS = f"{statements.DELIVERY}, version text, message text, contact text, detail text, sealed_detail text"
WRITE = f"""
WITH given AS {records("rows", COLUMNS, key="notification_id")},
unchanged AS (
    SELECT d.notification_id, d.recipient FROM {{deliveries}} d JOIN given USING (notification_id, recipient)
    WHERE d.xmin::text = given.version FOR UPDATE OF d SKIP LOCKED
)
UPDATE {{deliveries}} d SET message = g.message, contact = g.contact, detail = g.detail, sealed_detail = g.sealed_detail
FROM given g JOIN unchanged USING (notification_id, recipient)
WHERE d.notification_id = g.notification_id AND d.recipient = g.recipient
RETURNING d.notification_id
"""  # noqa: S608 - constants of ours


def personal_deliveries(channel: str) -> PersonalTable:
    def rewrite(row: Any, keys: DataKeys) -> Mapping[str, object] | None:
        columns = PersonalColumns(channel, keys).rewrite(row)
        return None if all(getattr(row, name) == value for name, value in columns.items()) else columns

    return PersonalTable(
        f"{channel}_deliveries",
        {"notification_id": UUID(int=0), "recipient": ""},
        statements.for_channel(PAGE, channel),
        statements.for_channel(WRITE, channel),
        rewrite,
    )
