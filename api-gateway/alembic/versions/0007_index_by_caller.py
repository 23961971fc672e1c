"""an index for one application's list

Revision ID: 0007
Revises: 0006
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Without holding writers off."""
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_notifications_caller_id",
            "notifications",
            ["caller", "id"],
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    op.drop_index("ix_notifications_caller_id", "notifications")
