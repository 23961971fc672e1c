"""Snippets, and which of them versions of templates have in them.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def _moment(name: str) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False)


def upgrade() -> None:
    op.create_table(
        "snippets",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("latest_version", sa.Integer(), nullable=False),
        _moment("created_at"),
        _moment("updated_at"),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_snippets"),
        sa.UniqueConstraint("name", name="uq_snippets_name"),
    )
    op.create_table(
        "snippet_versions",
        sa.Column("snippet_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        _moment("created_at"),
        sa.PrimaryKeyConstraint("snippet_id", "version", name="pk_snippet_versions"),
        sa.ForeignKeyConstraint(["snippet_id"], ["snippets.id"], name="fk_snippet_versions_snippet_id_snippets"),
    )
    # What is rendered has no snippets any more: the release before delivers new versions as they are meant.
    op.add_column("template_versions", sa.Column("content_format", sa.Text(), nullable=True))
    for name in ("written", "snippets"):
        op.add_column("template_versions", sa.Column(name, postgresql.JSONB(), server_default="{}", nullable=False))


def downgrade() -> None:
    for name in ("snippets", "written", "content_format"):
        op.drop_column("template_versions", name)
    op.drop_table("snippet_versions")
    op.drop_table("snippets")
