"""variables and metadata as the text that came

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

COLUMNS = ("given_variables", "given_metadata")


def upgrade() -> None:
    # Nullable and without a default: the catalogue changes, no row is touched. Rows that are there, and those that a gateway
    # of the release before still writes, are read from the jsonb columns.
    for name in COLUMNS:
        op.add_column("notifications", sa.Column(name, sa.JSON(), nullable=True))


def downgrade() -> None:
    for name in reversed(COLUMNS):  # the jsonb columns say the same, but for the order of keys and the look of numbers
        op.drop_column("notifications", name)
