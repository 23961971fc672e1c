"""holds of providers

While it runs, gateways of the previous release cannot place holds (500 until they are replaced); everything else goes on, and
their workers ignore holds of providers.

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

SAME = ["template_code", "application_id", "test", "notification_type"]


def upgrade() -> None:
    op.add_column("holds", sa.Column("provider", sa.Text(), nullable=True))
    _index([*SAME, "provider"])


def downgrade() -> None:
    op.execute("DELETE FROM holds WHERE provider IS NOT NULL")
    _index(SAME)
    op.drop_column("holds", "provider")


def _index(columns: list[str]) -> None:
    """The table has few rows."""
    op.drop_index("ix_holds_standing", "holds")
    op.create_index(
        "ix_holds_standing",
        "holds",
        columns,
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
        postgresql_nulls_not_distinct=True,
    )
