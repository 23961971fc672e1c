"""PostgreSQL's plans for statements as they were sent: for tests that no query reads a whole table."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection

Plan = dict[str, Any]


@contextmanager
def recorded(connection: AsyncConnection) -> Iterator[list[tuple[str, Any]]]:
    """The statements that `connection` executes in the meantime, with their parameters."""
    seen: list[tuple[str, Any]] = []

    def keep(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    event.listen(connection.sync_connection, "before_cursor_execute", keep)
    try:
        yield seen
    finally:
        event.remove(connection.sync_connection, "before_cursor_execute", keep)


async def read_whole(connection: AsyncConnection, statements: list[tuple[str, Any]]) -> set[str]:
    """The tables that these statements would scan completely, with the plans for large tables."""
    found = await planned(connection, statements)
    return {node["Relation Name"] for node in found if node["Node Type"] == "Seq Scan"}


async def planned(connection: AsyncConnection, statements: list[tuple[str, Any]]) -> list[Plan]:
    """The nodes of the statements' plans.

    A prepared statement gets a generic plan after a few uses. This asks for a custom plan.
    """
    await connection.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
    nodes: list[Plan] = []
    for statement, parameters in statements:
        plan = (await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters)).scalar_one()
        nodes += _nodes(plan[0]["Plan"])
    return nodes


def _nodes(plan: Plan) -> Iterator[Plan]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)
