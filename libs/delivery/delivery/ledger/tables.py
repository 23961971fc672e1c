"""The ledger's tables. Each channel has its own, named after it, so that both may live in one database."""

from dataclasses import dataclass

from sqlalchemy import Boolean, Column, DateTime, Index, Integer, MetaData, String, Table, Text, Uuid, func, text

Instant = DateTime(timezone=True)


@dataclass(frozen=True, slots=True)
class LedgerTables:
    """`deliveries` and the heartbeats of the workers that own rows in it."""

    deliveries: Table
    workers: Table


def ledger_tables(metadata: MetaData, channel: str) -> LedgerTables:
    """Declares the tables of `channel` in `metadata`.

    States: sending (a worker has claimed it, and the provider may be hearing it now), retry (waits for `next_attempt_at`),
    requeued (on its way through the queue again), and the ends: sent, failed, suppressed, expired, unknown. Workers of the
    release before write `claimed` before `sending`.
    `message` is kept while there is something left to do, `trace_context` (a traceparent) while tracing is on.
    `ambiguous` counts the times nobody can know whether it was sent; `in_doubt`: it was so in this replay. `contact` is whom
    it goes to (JSON) when that is not what `message` says. `faults` counts the attempts that failed on our side or are in
    doubt; the other attempts were refused for now, the first time at `refused_since`. `steady_since`: this worker's
    heartbeats have had no gap since. While personal values are encrypted (ADR 26), `message` and `contact` are so, and
    `sealed_detail` has what `detail` had.
    """
    deliveries = Table(
        f"{channel}_deliveries",
        metadata,
        Column("notification_id", Uuid, primary_key=True),
        Column("recipient", Text, primary_key=True),
        Column("replay", Integer, nullable=False, server_default=text("0")),
        Column("state", String(16), nullable=False),
        Column("owner", Text),
        Column("attempts", Integer, nullable=False, server_default=text("0")),
        Column("faults", Integer, nullable=False, server_default=text("0")),
        Column("refused_since", Instant),
        Column("deferrals", Integer, nullable=False, server_default=text("0")),
        Column("ambiguous", Integer, nullable=False, server_default=text("0")),
        Column("in_doubt", Boolean, nullable=False, server_default=text("false")),
        Column("priority", Integer, nullable=False),
        Column("next_attempt_at", Instant),
        Column("message", Text),
        Column("contact", Text),
        Column("trace_context", Text),
        Column("code", Text),
        Column("detail", Text),
        Column("sealed_detail", Text),
        Column("provider_message_id", Text),
        Column("created_at", Instant, nullable=False, server_default=func.now()),
        Column("updated_at", Instant, nullable=False, server_default=func.now()),
        # What the sweep looks for: due retries, and rows whose owner may be dead. Finished rows are in neither index.
        Index(
            f"ix_{channel}_deliveries_due",
            "next_attempt_at",
            postgresql_where=text("state IN ('retry', 'requeued')"),
        ),
        Index(f"ix_{channel}_deliveries_owned", "owner", postgresql_where=text("state IN ('claimed', 'sending')")),
    )
    workers = Table(
        f"{channel}_workers",
        metadata,
        Column("id", Text, primary_key=True),
        Column("heartbeat_at", Instant, nullable=False, server_default=func.now()),
        Column("steady_since", Instant, nullable=False, server_default=func.now()),
    )
    return LedgerTables(deliveries, workers)
