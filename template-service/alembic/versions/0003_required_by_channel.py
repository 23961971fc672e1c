"""What each channel of a template needs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # With a default, so that the release before can go on writing. The service fills the rows (services/completing.py).
    op.add_column(
        "template_versions",
        sa.Column("required_by_channel", postgresql.JSONB(), server_default="{}", nullable=False),
    )


def downgrade() -> None:
    op.drop_column("template_versions", "required_by_channel")
