"""applications, to which API keys belong

Each key becomes an application of its own, with the key's id: what was sent with it stays the application's. The release before
goes on making keys of no application; they count as one each.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INSTANT = sa.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "applications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rate_limit_per_minute", sa.Integer(), nullable=True),
        sa.Column("channels", sa.ARRAY(sa.Text()), nullable=True),
        sa.Column("disabled_at", INSTANT, nullable=True),
        sa.Column("created_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_applications"),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name="fk_applications_owner_id", ondelete="SET NULL"),
    )
    op.create_index("ix_applications_owner_id", "applications", ["owner_id"])
    op.add_column("api_keys", sa.Column("application_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        "fk_api_keys_application_id", "api_keys", "applications", ["application_id"], ["id"], ondelete="CASCADE"
    )
    op.create_index("ix_api_keys_application_id", "api_keys", ["application_id"])
    op.execute(
        "INSERT INTO applications (id, owner_id, name, created_at) SELECT id, user_id, name, created_at FROM api_keys"
    )
    op.execute(
        """
        UPDATE api_keys SET application_id = id,
            scopes = CASE WHEN 'notifications:write' = ANY(scopes) AND NOT 'notifications:urgent' = ANY(scopes)
                          THEN scopes || '{notifications:urgent}' ELSE scopes END
        """
    )


def downgrade() -> None:
    op.execute("UPDATE api_keys SET scopes = array_remove(scopes, 'notifications:urgent')")
    op.drop_column("api_keys", "application_id")
    op.drop_table("applications")
