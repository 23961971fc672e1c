"""bounces, soft bounces in a row, and where a suppression comes from

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("email_suppressions", sa.Column("origin", sa.Text(), server_default="delivery", nullable=False))
    op.create_index(
        "ix_email_suppressions_created_at", "email_suppressions", ["created_at", "fingerprint"], unique=False
    )
    op.create_table(
        "email_bounces",
        sa.Column("notification_id", sa.Uuid(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("replay", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("notification_id", "recipient", "replay", "kind", name=op.f("pk_email_bounces")),
    )
    op.create_index("ix_email_bounces_created_at", "email_bounces", ["created_at"], unique=False)
    op.create_index(
        "ix_email_bounces_unreported",
        "email_bounces",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("reported_at IS NULL"),
    )
    op.create_table(
        "email_soft_bounces",
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("bounces", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_email_soft_bounces")),
    )


def downgrade() -> None:
    op.drop_table("email_soft_bounces")
    op.drop_index(
        "ix_email_bounces_unreported", table_name="email_bounces", postgresql_where=sa.text("reported_at IS NULL")
    )
    op.drop_index("ix_email_bounces_created_at", table_name="email_bounces")
    op.drop_table("email_bounces")
    op.drop_index("ix_email_suppressions_created_at", table_name="email_suppressions")
    op.drop_column("email_suppressions", "origin")
