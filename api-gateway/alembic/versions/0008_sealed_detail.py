"""where what was said of a delivery is kept while it is encrypted

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("notifications", sa.Column("sealed_detail", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("notifications", "sealed_detail")  # decrypt first: see docs/operations/encryption.md
