"""in whose name an application's e-mails go

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

COLUMNS = ("sender_name", "sender_email", "sender_reply_to")


def upgrade() -> None:
    for column in COLUMNS:
        op.add_column("applications", sa.Column(column, sa.Text(), nullable=True))


def downgrade() -> None:
    for column in COLUMNS:
        op.drop_column("applications", column)
