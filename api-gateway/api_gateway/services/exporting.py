"""Hands out what was sent to a user, for who may have it: the user service knows who that is."""

from typing import Any

from sqlalchemy import Row

from api_gateway.repositories import erasing, personal
from chassis.data_keys import DataKeys
from chassis.database import Database
from chassis.security import callers_of_application
from chassis.serialization import to_json_text
from contracts.erasing import ExportedNotification, ExportFindings, ExportQuestion
from contracts.system_mails import is_system_caller


class Exporter:
    def __init__(self, database: Database, keys: DataKeys) -> None:
        self._database = database
        self._keys = keys

    async def page(self, question: ExportQuestion) -> ExportFindings:
        """Raises ValueUnreadable."""
        callers = None if question.application_id is None else callers_of_application(question.application_id)
        async with self._database.begin() as connection:
            rows = await erasing.sent_to(
                connection, question.user_id, callers=callers, after=question.after, largest=question.limit + 1
            )
        told = tuple(_told(row, self._keys) for row in rows[: question.limit])
        return ExportFindings(notifications=told, more=len(rows) > question.limit)


def _told(row: Row[Any], keys: DataKeys) -> ExportedNotification:
    variables = personal.read_object(keys, personal.VARIABLES, row.id, row.variables)
    recipient = personal.read_document(keys, personal.RECIPIENT, row.id, row.recipient)
    return ExportedNotification(
        notification_id=row.id,
        notification_type=row.notification_type,
        template_code=row.template_code,
        language=row.language,
        status=row.status,
        code=row.code,
        detail=personal.read_detail(keys, row.id, row.detail, row.sealed_detail),
        variables=None if is_system_caller(row.caller) else variables.text,
        recipient=None if recipient is None else to_json_text(recipient),
        created_at=row.created_at,
        queued_at=row.queued_at,
        sent_at=row.sent_at,
        ended_at=row.ended_at,
    )
