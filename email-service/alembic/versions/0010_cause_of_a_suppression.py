"""the notification that put an address on the suppression list

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("email_suppressions", sa.Column("notification_id", sa.Uuid()))


def downgrade() -> None:
    op.drop_column("email_suppressions", "notification_id")
