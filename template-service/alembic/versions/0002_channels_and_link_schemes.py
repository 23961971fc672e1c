"""The channels that an author chose, the schemes of apps' links; and what serves e-mail serves push, too."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

COLUMNS = ("link_schemes", "channels")


def upgrade() -> None:
    # With a default, so that the release before can go on writing; PostgreSQL adds such a column without a rewrite.
    for name in COLUMNS:
        op.add_column(
            "template_versions", sa.Column(name, postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False)
        )
    op.execute("UPDATE template_versions SET serves_push = true WHERE serves_email AND NOT serves_push")


def downgrade() -> None:
    op.execute("UPDATE template_versions SET serves_push = false WHERE title = '' AND body = ''")
    for name in COLUMNS:
        op.drop_column("template_versions", name)
