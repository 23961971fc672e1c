"""confirmed deliveries that wait to be told, and webhooks that were read

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
    op.create_table(
        "email_confirmations",
        sa.Column("notification_id", sa.Uuid(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("replay", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("notification_id", "recipient", "replay", name=op.f("pk_email_confirmations")),
    )
    op.create_index("ix_email_confirmations_created_at", "email_confirmations", ["created_at"], unique=False)
    op.create_table(
        "email_webhook_events",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_email_webhook_events")),
    )
    op.create_index("ix_email_webhook_events_created_at", "email_webhook_events", ["created_at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_email_webhook_events_created_at", table_name="email_webhook_events")
    op.drop_table("email_webhook_events")
    op.drop_index("ix_email_confirmations_created_at", table_name="email_confirmations")
    op.drop_table("email_confirmations")
