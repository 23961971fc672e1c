"""what a delivery has spent of its retry budgets

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
    op.add_column("push_deliveries", sa.Column("faults", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("push_deliveries", sa.Column("refused_since", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("push_deliveries", "refused_since")
    op.drop_column("push_deliveries", "faults")
