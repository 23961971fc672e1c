"""The preheader of a template.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # It is in `html` too, so the release before delivers it.
    op.add_column("template_versions", sa.Column("preheader", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("template_versions", "preheader")
