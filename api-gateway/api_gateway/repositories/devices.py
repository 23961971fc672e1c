"""What became of each device of a push notification: written with the event that ends the notification, or after it."""

from collections.abc import Sequence

from sqlalchemy import text

from chassis.json_values import to_json_text
from chassis.postgres.autocommit import StatementExecutor, records
from contracts.messages import StatusEvent

# A device may end after its notification: one device got it, another one was tried again. The list of a round only grows, so
# of two reports the longer one is the newer one. Without a recipient the person is erased.
COMPLETE = text(f"""
WITH g AS (
    SELECT given.id, given.replay, given.devices
    FROM {records("rows", "id uuid, replay int, devices jsonb", key="id")} AS given JOIN notifications n USING (id)
    ORDER BY id FOR UPDATE OF n
)
UPDATE notifications n SET devices = g.devices, updated_at = now() FROM g
WHERE n.id = g.id AND n.replay = g.replay AND n.recipient IS NOT NULL
  AND jsonb_array_length(g.devices) > coalesce(jsonb_array_length(n.devices), 0)
""")  # noqa: S608 - the columns are ours


def devices_of(event: StatusEvent) -> dict[str, object]:
    """The parameter of a statement. Most events have no devices; their rows stay as short as they were."""
    return {"devices": [device.as_json for device in event.devices]} if event.devices else {}


async def complete(connection: StatementExecutor, events: Sequence[StatusEvent]) -> None:
    """Stores the devices of events that came after the end of their notifications."""
    rows = [
        {"id": event.notification_id, "replay": event.replay, **devices_of(event)} for event in events if event.devices
    ]
    if rows:
        await connection.execute(COMPLETE, {"rows": to_json_text(rows)})
