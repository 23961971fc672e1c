"""users without a password, whom an application brings by its own ids

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in ("password_hash", "email_key"):
        op.alter_column("users", column, existing_type=sa.Text(), nullable=True)
    op.add_column("users", sa.Column("contact_key", sa.Text(), nullable=True))
    op.add_column("users", sa.Column("application_id", sa.Uuid(), nullable=True))
    op.add_column("users", sa.Column("external_id", sa.Text(), nullable=True))
    # Nothing is checked: the columns are new and empty.
    op.create_foreign_key(
        "fk_users_application_id", "users", "applications", ["application_id"], ["id"], ondelete="SET NULL"
    )
    with op.get_context().autocommit_block():
        op.create_index(
            "uq_users_application_id_external_id",
            "users",
            ["application_id", "external_id"],
            unique=True,
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        op.create_index(
            "ix_users_contact_key", "users", ["contact_key"], postgresql_concurrently=True, if_not_exists=True
        )


def downgrade() -> None:
    """Those without a password go: the release before cannot have them."""
    op.execute("DELETE FROM users WHERE password_hash IS NULL OR email_key IS NULL")
    for column in ("external_id", "application_id", "contact_key"):
        op.drop_column("users", column)
    for column in ("email_key", "password_hash"):
        op.alter_column("users", column, existing_type=sa.Text(), nullable=False)
