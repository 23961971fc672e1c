"""FROM items for statements that touch a group of rows by key.

PostgreSQL takes an unnested parameter for ten rows and JSON for a hundred. For so many it reads a table whole that has a
few hundred rows, and keeps the plan of a prepared statement until the table is analysed: a burst on a young table then
reads all of it again and again (measured: 0.65 ms a row, against 0.05 by the index). A condition that is true for every
row and that it cannot estimate makes it expect one row, and go by the index from the first day.

Not for statements that only insert what they are given: their groups are joined with themselves, where the usual guess is
the better one.
"""


def records(parameter: str, columns: str, *, key: str) -> str:
    """The objects of the JSON array `:parameter`, with `columns` as in a table definition; `key` is never null."""
    source = f"json_to_recordset(CAST(:{parameter} AS json)) AS r({columns})"
    return f"(SELECT * FROM {source} WHERE num_nonnulls({key}) = 1)"  # noqa: S608 - constants of ours


def ids(parameter: str) -> str:
    """The uuids of the array `:parameter`, as a column `id`."""
    return f"(SELECT * FROM unnest(CAST(:{parameter} AS uuid[])) AS r(id) WHERE num_nonnulls(id) = 1)"  # noqa: S608
