"""the APNs environment of a device

Devices that are there have none: the push service's APNS_ENVIRONMENT counts. So have those that the release that still runs
registers. Registrations wait while the table is read once for the check (a second for some million devices).

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TABLE, CHECK = "user_push_tokens", "ck_user_push_tokens_environment"


def upgrade() -> None:
    op.add_column(TABLE, sa.Column("environment", sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f(CHECK),
        TABLE,
        "environment IS NULL OR (provider = 'apns' AND environment IN ('production', 'sandbox'))",
    )


def downgrade() -> None:
    """Devices have to be registered again after the next upgrade to have their environment."""
    op.drop_column(TABLE, "environment")
