"""The channels that an author chose, and the schemes of apps' links."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

COLUMNS = ("link_schemes", "channels")


def upgrade() -> None:
    # With a default, so that the release before can go on writing; PostgreSQL adds such a column without a rewrite.
    for name in COLUMNS:
        op.add_column(
            "template_versions", sa.Column(name, postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False)
        )


def downgrade() -> None:
    for name in COLUMNS:
        op.drop_column("template_versions", name)
