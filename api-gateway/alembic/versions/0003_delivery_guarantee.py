"""what to do when nobody can know whether a notification was sent

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A constant default: PostgreSQL adds the column without rewriting the table.
    column = sa.Column("delivery_guarantee", sa.String(16), nullable=False, server_default=sa.text("'at_least_once'"))
    op.add_column("notifications", column)


def downgrade() -> None:
    op.drop_column("notifications", "delivery_guarantee")
