"""the recipient that a caller gave in place of a user

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("notifications", sa.Column("given_recipient", JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column("notifications", "given_recipient")
