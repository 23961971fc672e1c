"""which notifications are held, and by which hold

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

SAME = ["template_code", "application_id", "test", "notification_type"]


def upgrade() -> None:
    op.create_table(
        "holds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("template_code", sa.Text(), nullable=True),
        sa.Column("application_id", sa.Uuid(), nullable=True),
        sa.Column("test", sa.Boolean(), nullable=True),
        sa.Column("notification_type", sa.String(16), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(16), nullable=True),
        sa.Column("renewed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("template_version", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_holds"),
    )
    op.create_index(
        "ix_holds_standing",
        "holds",
        SAME,
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
        postgresql_nulls_not_distinct=True,
    )
    op.create_index("ix_holds_ended_at", "holds", ["ended_at"])
    op.add_column("notifications", sa.Column("held_by", sa.Uuid(), nullable=True))
    op.add_column("notifications", sa.Column("held_at", sa.TIMESTAMP(timezone=True), nullable=True))
    with op.get_context().autocommit_block():  # accepting goes on while it is built
        op.create_index(
            "ix_notifications_held",
            "notifications",
            ["held_by", sa.text("priority DESC"), "id"],
            postgresql_include=["notification_type"],
            postgresql_where=sa.text("held_by IS NOT NULL AND status = 'pending'"),
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    op.drop_index("ix_notifications_held", "notifications")
    op.drop_column("notifications", "held_at")
    op.drop_column("notifications", "held_by")
    op.drop_table("holds")
