"""where what a provider said is kept while it is encrypted

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("email_deliveries", sa.Column("sealed_detail", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("email_deliveries", "sealed_detail")  # decrypt first: see docs/operations/encryption.md
