"""when a device was registered last, and the devices that were removed

Devices that are there have no `last_seen_at` until they are registered again: then `created_at` counts. The release that still
runs removes devices without a row in `removed_devices`.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

REASONS = "'unregistered', 'replaced', 'moved', 'by_user', 'by_application', 'by_admin'"


def upgrade() -> None:
    op.add_column("user_push_tokens", sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=True))
    op.alter_column("user_push_tokens", "last_seen_at", server_default=sa.text("now()"))
    op.create_table(
        "removed_devices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("removed_because", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_removed_devices")),
        sa.CheckConstraint(f"removed_because IN ({REASONS})", name=op.f("ck_removed_devices_removed_because")),
    )
    op.create_index("ix_removed_devices_user_id_removed_at", "removed_devices", ["user_id", "removed_at"])


def downgrade() -> None:
    op.drop_table("removed_devices")
    op.drop_column("user_push_tokens", "last_seen_at")
