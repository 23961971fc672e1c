"""the channel in the index of the status: a channel's failures are counted without reading the rows

Revision ID: 0019
Revises: 0018
"""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

OLD, NEW = "ix_notifications_status_id", "ix_notifications_status_id_channel"


def upgrade() -> None:
    """Accepting goes on while it is built."""
    with op.get_context().autocommit_block():
        op.create_index(
            NEW,
            "notifications",
            ["status", "id"],
            postgresql_include=["notification_type"],
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        op.drop_index(OLD, table_name="notifications", postgresql_concurrently=True, if_exists=True)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(OLD, "notifications", ["status", "id"], postgresql_concurrently=True, if_not_exists=True)
        op.drop_index(NEW, table_name="notifications", postgresql_concurrently=True, if_exists=True)
