"""How large a push can become, for the check when a notification is accepted.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # With a default, so that the release before can go on writing. The service fills the rows (services/compiling.py).
    op.add_column("template_versions", sa.Column("push_size", postgresql.JSONB(), server_default="{}", nullable=False))


def downgrade() -> None:
    op.drop_column("template_versions", "push_size")
