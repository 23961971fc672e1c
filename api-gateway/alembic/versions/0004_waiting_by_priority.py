"""what waits in the queues, by priority: the search for what was overtaken

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

QUEUED = sa.text("status = 'queued'")


def upgrade() -> None:
    with op.get_context().autocommit_block():  # accepting goes on while it is built
        op.create_index(
            "ix_notifications_waiting",
            "notifications",
            ["notification_type", "priority", "queued_at"],
            postgresql_where=QUEUED,
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        op.drop_index("ix_notifications_queued", "notifications", postgresql_concurrently=True, if_exists=True)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_notifications_queued",
            "notifications",
            ["notification_type", "queued_at"],
            postgresql_where=QUEUED,
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        op.drop_index("ix_notifications_waiting", "notifications", postgresql_concurrently=True, if_exists=True)
