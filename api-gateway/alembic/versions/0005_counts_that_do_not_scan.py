"""how many notifications have which status, counted as they change; an index for one channel's list

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Each statement that touches notifications adds a line for every status whose number it changed. Lines are only ever added,
# so that no statement waits for another one's count; now and then they are folded into status_totals.
COUNT = """
CREATE FUNCTION count_notifications() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO status_changes (channel, status, change)
        SELECT notification_type, status, count(*) FROM added GROUP BY notification_type, status;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO status_changes (channel, status, change)
        SELECT notification_type, status, -count(*) FROM removed GROUP BY notification_type, status;
    ELSE
        INSERT INTO status_changes (channel, status, change)
        SELECT notification_type, status, sum(change) FROM (
            SELECT notification_type, status, 1 AS change FROM added
            UNION ALL SELECT notification_type, status, -1 FROM removed) moved
        GROUP BY notification_type, status HAVING sum(change) <> 0;
    END IF;
    RETURN NULL;
END $$
"""
TRIGGERS = {
    "INSERT": "REFERENCING NEW TABLE AS added",
    "DELETE": "REFERENCING OLD TABLE AS removed",
    "UPDATE": "REFERENCING OLD TABLE AS removed NEW TABLE AS added",
}


def upgrade() -> None:
    op.create_table(
        "status_totals",
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "status", name=op.f("pk_status_totals")),
    )
    op.create_table(
        "status_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_status_changes")),
    )
    op.execute(
        "LOCK TABLE notifications IN SHARE ROW EXCLUSIVE MODE"
    )  # one count of what is there; writers wait for it
    op.execute(
        "INSERT INTO status_totals SELECT notification_type, status, count(*) FROM notifications "
        "GROUP BY notification_type, status"
    )
    op.execute(COUNT)
    for event, tables in TRIGGERS.items():
        op.execute(
            f"CREATE TRIGGER count_after_{event.lower()} AFTER {event} ON notifications {tables} "
            "FOR EACH STATEMENT EXECUTE FUNCTION count_notifications()"
        )
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_notifications_notification_type_id",
            "notifications",
            ["notification_type", "id"],
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    op.drop_index("ix_notifications_notification_type_id", "notifications")
    for event in TRIGGERS:
        op.execute(f"DROP TRIGGER count_after_{event.lower()} ON notifications")
    op.execute("DROP FUNCTION count_notifications()")
    op.drop_table("status_changes")
    op.drop_table("status_totals")
