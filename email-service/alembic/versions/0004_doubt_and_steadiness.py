"""what was in doubt and whom it went to; since when a worker's heartbeats have had no gap

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "email_deliveries", sa.Column("in_doubt", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("email_deliveries", sa.Column("contact", sa.Text(), nullable=True))
    op.add_column(
        "email_workers",
        sa.Column("steady_since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )


def downgrade() -> None:
    op.drop_column("email_workers", "steady_since")
    op.drop_column("email_deliveries", "contact")
    op.drop_column("email_deliveries", "in_doubt")
