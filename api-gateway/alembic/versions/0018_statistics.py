"""figures by time, caller and channel, counted as notifications change

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# Of a notification that was accepted before, an INSERT was not counted, so its changes are not counted either. The time is
# taken while no statement changes notifications.
BEGAN = """
DO $migration$ BEGIN
    LOCK TABLE notifications IN SHARE ROW EXCLUSIVE MODE;
    EXECUTE format('CREATE FUNCTION statistics_began() RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS %L', format(
        'SELECT CAST(%L AS timestamptz)',
        CASE WHEN EXISTS (SELECT FROM notifications) THEN clock_timestamp() ELSE '-infinity' END));
END $migration$
"""

# Rows that count alike are put together first: the rest is done a few times for each statement. `took` N: sent within 1.25^N
# seconds after it could be sent. A retry by hand says nothing about that time.
ALIKE = """date_bin('1 minute', created_at, CAST('epoch' AS timestamptz)) AS at, caller, notification_type, status,
                held_by IS NOT NULL AND status = 'pending' AS held,
                CASE WHEN sent_at IS NOT NULL AND replay = 0 THEN ceil(ln(greatest(0.001, CAST(
                    extract(epoch FROM sent_at - greatest(created_at, send_at)) AS float8))) / ln(CAST(1.25 AS float8))) END AS took"""
COLUMNS = "caller, notification_type, status, held_by, sent_at, created_at, send_at, replay"
CHANGED = """INSERT INTO statistics_changes (at, caller, channel, figure, change)
        SELECT at, caller, notification_type, figure, sum(change) FROM (
            SELECT {alike}, sum(change) AS change FROM {rows} AS rows
            WHERE created_at >= statistics_began() GROUP BY 1, 2, 3, 4, 5, 6
        ) AS alike CROSS JOIN LATERAL (
            VALUES {more}(CAST(status AS text)), (CASE WHEN held THEN 'held' END), ('took:' || took)
        ) AS figures(figure)
        WHERE figure IS NOT NULL GROUP BY 1, 2, 3, 4 HAVING sum(change) <> 0;"""

# In the same trigger as the status changes: a second one would make PostgreSQL keep the rows of a statement twice.
COUNT = """
CREATE OR REPLACE FUNCTION count_notifications() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO status_changes (channel, status, change)
        SELECT notification_type, status, count(*) FROM added GROUP BY notification_type, status;
        {inserted}
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO status_changes (channel, status, change)
        SELECT notification_type, status, -count(*) FROM removed GROUP BY notification_type, status;
    ELSE
        INSERT INTO status_changes (channel, status, change)
        SELECT notification_type, status, sum(change) FROM (
            SELECT notification_type, status, 1 AS change FROM added
            UNION ALL SELECT notification_type, status, -1 FROM removed) moved
        GROUP BY notification_type, status HAVING sum(change) <> 0;
        {updated}
    END IF;
    RETURN NULL;
END $$
"""
ADDED = f"SELECT {COLUMNS}, 1 AS change FROM added"  # noqa: S608 - constants of ours
REMOVED = f"SELECT {COLUMNS}, -1 FROM removed"  # noqa: S608 - as above
INSERTED = CHANGED.format(alike=ALIKE, rows=f"({ADDED})", more="('accepted'), ")
UPDATED = CHANGED.format(alike=ALIKE, rows=f"({ADDED} UNION ALL {REMOVED})", more="")


def upgrade() -> None:
    op.create_table(
        "statistics",
        sa.Column("period", sa.String(8), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("figure", sa.String(16), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("period", "caller", "at", "channel", "figure", name=op.f("pk_statistics")),
    )
    op.create_index("ix_statistics_period_at", "statistics", ["period", "at"])
    op.create_table(
        "statistics_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("figure", sa.String(16), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statistics_changes")),
    )
    op.execute(BEGAN)
    op.execute(COUNT.format(inserted=INSERTED, updated=UPDATED))


def downgrade() -> None:
    op.execute(COUNT.format(inserted="", updated=""))
    op.execute("DROP FUNCTION statistics_began()")
    op.drop_table("statistics_changes")
    op.drop_table("statistics")
