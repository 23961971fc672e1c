"""The ledger's personal values: encrypted when written, decrypted when read, and re-encrypted with a newer key."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from chassis.postgres.autocommit import records
from chassis.security.data_keys import DataKeys, FreeText, ValueUnreadable
from chassis.server.reencrypting import VERSION, PersonalTable
from delivery.ledger import statements

# Personal values are encrypted when DATA_ENCRYPTION_KEYS is set (chassis.security.data_keys, ADR 26).
#
# `message` and `contact` are JSON, so a value that begins like a sealed one is sealed. Providers' texts have a second column.

Fields = dict[str, Any]


class PersonalColumns:
    """The personal columns of the deliveries of `channel`. Each row comes from a statement and has its delivery's key."""

    def __init__(self, channel: str, data_keys: DataKeys) -> None:
        self.data_keys = data_keys
        self.message, self.contact, self.detail = (
            f"{channel}_deliveries.{name}" for name in ("message", "contact", "detail")
        )

    def write_claim(self, row: Fields) -> Fields:
        name, contact = _name(row["notification_id"], row["recipient"]), row["contact"]
        return {
            **row,
            "message": self.data_keys.write(self.message, name, row["message"]),
            "contact": contact and self.data_keys.write(self.contact, name, contact),
        }

    def write_result(self, row: Fields) -> Fields:
        name = _name(row["notification_id"], row["recipient"])
        plain, sealed = self.data_keys.write_free(self.detail, name, row["detail"])
        return {**row, "detail": plain, "sealed_detail": sealed}

    def read_message(self, row: Any) -> str | None:
        """None: the message cannot be decrypted now."""
        try:
            return self.data_keys.read(self.message, _name(row.notification_id, row.recipient), row.message)
        except ValueUnreadable:
            return None

    def read_contact(self, notification_id: UUID, recipient: str, stored: str) -> str:
        """Raises ValueUnreadable."""
        return self.data_keys.read(self.contact, _name(notification_id, recipient), stored)

    def read_detail(self, row: Any) -> str | None:
        """None also when it cannot be decrypted: then the outcome is reported without the provider's text."""
        name = _name(row.notification_id, row.recipient)
        try:
            return self.data_keys.read_free(self.detail, name, FreeText(row.detail, row.sealed_detail))
        except ValueUnreadable:
            return None

    def rewrite(self, row: Any) -> Fields:
        """The columns as they would be written now. Raises ValueUnreadable."""
        name, data_keys = _name(row.notification_id, row.recipient), self.data_keys
        plain, sealed = data_keys.rewrite_free(self.detail, name, FreeText(row.detail, row.sealed_detail))
        return {
            "message": row.message and data_keys.rewrite(self.message, name, row.message),
            "contact": row.contact and data_keys.rewrite(self.contact, name, row.contact),
            "detail": plain,
            "sealed_detail": sealed,
        }


def _name(notification_id: UUID, recipient: str) -> str:
    return f"{notification_id}/{recipient}"


PAGE = f"""
SELECT d.notification_id, d.recipient, d.{VERSION}, d.message, d.contact, d.detail, d.sealed_detail FROM {{deliveries}} d
WHERE (d.notification_id, d.recipient) > (:notification_id, :recipient)
ORDER BY d.notification_id, d.recipient LIMIT :limit
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
    def rewrite(row: Any, data_keys: DataKeys) -> Mapping[str, object] | None:
        columns = PersonalColumns(channel, data_keys).rewrite(row)
        return None if all(getattr(row, name) == value for name, value in columns.items()) else columns

    return PersonalTable(
        f"{channel}_deliveries",
        {"notification_id": UUID(int=0), "recipient": ""},
        statements.for_channel(PAGE, channel),
        statements.for_channel(WRITE, channel),
        rewrite,
    )
