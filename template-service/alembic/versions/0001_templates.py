"""Templates, their languages and versions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _moment(name: str) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False)


def _part(name: str) -> sa.Column:
    return sa.Column(name, sa.Text(), nullable=False)


def upgrade() -> None:
    op.create_table(
        "templates",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("default_language", sa.Text(), nullable=False),
        _moment("created_at"),
        _moment("updated_at"),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_templates"),
        sa.UniqueConstraint("code", name="uq_templates_code"),
    )
    op.create_table(
        "template_languages",
        sa.Column("template_id", sa.BigInteger(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("latest_version", sa.Integer(), nullable=False),
        sa.Column("active_version", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("template_id", "language", name="pk_template_languages"),
        sa.ForeignKeyConstraint(["template_id"], ["templates.id"], name="fk_template_languages_template_id_templates"),
    )
    op.create_table(
        "template_versions",
        sa.Column("template_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        *map(_part, ("subject", "html", "text", "title", "body", "image", "link")),
        sa.Column("required", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("serves_email", sa.Boolean(), nullable=False),
        sa.Column("serves_push", sa.Boolean(), nullable=False),
        _moment("created_at"),
        sa.PrimaryKeyConstraint("template_id", "language", "version", name="pk_template_versions"),
        sa.ForeignKeyConstraint(
            ["template_id", "language"],
            ["template_languages.template_id", "template_languages.language"],
            name="fk_template_versions_template_id_language_template_languages",
        ),
    )


def downgrade() -> None:
    op.drop_table("template_versions")
    op.drop_table("template_languages")
    op.drop_table("templates")
