"""what became of each device of a push notification

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("notifications", sa.Column("devices", JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column("notifications", "devices")
