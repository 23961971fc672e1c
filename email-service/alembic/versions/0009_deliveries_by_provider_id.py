"""an index of deliveries by the id that their provider gave

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

NAME = "ix_email_deliveries_provider_message_id"


def upgrade() -> None:
    """Delivering goes on while it is built."""
    with op.get_context().autocommit_block():
        op.create_index(
            NAME,
            "email_deliveries",
            ["provider_message_id"],
            postgresql_where=sa.text("provider_message_id NOT LIKE '<%'"),
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(NAME, table_name="email_deliveries", postgresql_concurrently=True, if_exists=True)
