"""devices at APNs

The new check allows more than the old one, so the release that still runs is not affected. Registrations wait while the table
is read once (a second for some million devices).

Revision ID: 0010
Revises: 0009
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TABLE, CHECK = "user_push_tokens", "ck_user_push_tokens_provider"


def upgrade() -> None:
    op.drop_constraint(op.f(CHECK), TABLE, type_="check")
    op.create_check_constraint(op.f(CHECK), TABLE, "provider IN ('fcm', 'web_push', 'apns')")


def downgrade() -> None:
    """Devices at APNs register again after the next upgrade."""
    op.execute("DELETE FROM user_push_tokens WHERE provider = 'apns'")
    op.drop_constraint(op.f(CHECK), TABLE, type_="check")
    op.create_check_constraint(op.f(CHECK), TABLE, "provider IN ('fcm', 'web_push')")
