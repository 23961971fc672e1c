"""what a caller changed in a notification's message

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("notifications", sa.Column("overrides", JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column("notifications", "overrides")
