"""the provider that a delivery was given to

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("email_deliveries", sa.Column("provider", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("email_deliveries", "provider")
