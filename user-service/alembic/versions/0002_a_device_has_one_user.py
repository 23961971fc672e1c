"""a device has one user

Of several users with one token, whoever registered it last keeps it. Registrations wait while the index is built (seconds for
a million devices); reading goes on. Built concurrently, it would fail on what the release that still runs adds meanwhile.

Revision ID: 0002
Revises: 0001
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("LOCK TABLE user_push_tokens IN SHARE ROW EXCLUSIVE MODE")
    op.execute(
        """
        DELETE FROM user_push_tokens t USING (
            SELECT id, row_number() OVER (PARTITION BY token ORDER BY created_at DESC, id DESC) AS place
            FROM user_push_tokens
        ) ranked WHERE t.id = ranked.id AND ranked.place > 1
        """
    )
    op.create_unique_constraint("uq_user_push_tokens_token", "user_push_tokens", ["token"])


def downgrade() -> None:
    op.drop_constraint("uq_user_push_tokens_token", "user_push_tokens", type_="unique")
