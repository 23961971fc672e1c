"""The ledger's tables. Each channel has its own, named after it, so that both channels can share one database."""

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

    States: sending (a worker has claimed it, and the provider may be called now), retry (waits for `next_attempt_at`),
    requeued (on its way through the queue again), and the final states: sent, failed, suppressed, expired, unknown. Workers
    of the previous release write `claimed` before `sending`.
    `message` is kept until the delivery has ended, `trace_context` (a traceparent) is stored while tracing is on.
    `ambiguous` counts the attempts that may or may not have been sent; `in_doubt`: this replay had such an attempt.
    `contact` is the recipient (JSON) when it differs from the one in `message`. `faults` counts the attempts that failed on
    our side or are ambiguous; all other attempts were refused for now, the first time at `refused_since`. `deferrals` counts
    how often no attempt was spent, as it was postponed or its provider was down: in Python `times_without_attempt`.
    `steady_since`: the worker's heartbeats were not interrupted since this time. While personal values are encrypted (ADR
    26), `message` and `contact` are encrypted, and `sealed_detail` holds the text instead of `detail`. `provider` is the one
    that is called, or was called last.
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
        Column("provider", Text),
        Column("created_at", Instant, nullable=False, server_default=func.now()),
        Column("updated_at", Instant, nullable=False, server_default=func.now()),
        # The sweep uses these: due retries, and rows whose owner may be dead. Finished rows are in neither index.
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
