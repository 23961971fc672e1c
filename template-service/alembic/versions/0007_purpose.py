"""What users can unsubscribe from.

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
    op.add_column("template_versions", sa.Column("purpose", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("template_versions", "purpose")
