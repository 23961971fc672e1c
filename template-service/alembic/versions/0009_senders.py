"""The sender of a template's e-mails.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("template_versions", sa.Column("sender", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column("template_versions", "sender")
