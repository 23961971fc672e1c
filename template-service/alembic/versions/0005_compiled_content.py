"""What an author wrote, beside what is rendered.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # `html` stays what is rendered: the release before delivers new versions as they are meant. Its own versions are not
    # inlined, nor are versions that are made from them.
    op.add_column("template_versions", sa.Column("content", sa.Text(), nullable=True))
    op.add_column("template_versions", sa.Column("inline_css", sa.Boolean(), server_default="false", nullable=False))
    op.add_column(
        "template_versions", sa.Column("warnings", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False)
    )


def downgrade() -> None:
    for name in ("content", "inline_css", "warnings"):
        op.drop_column("template_versions", name)
