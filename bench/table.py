"""The results as a table for a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

HEADINGS = ("case", "value", "unit", "baseline", "ratio", "services ms", "all ms", "lost", "twice", "met", "target")
TO_THE_RIGHT = {"value", "baseline", "ratio", "services ms", "all ms", "lost", "twice"}


def table(cases: Mapping[str, Mapping[str, Any]]) -> str:
    return drawn([HEADINGS, *(row(name, case) for name, case in cases.items())])


def row(name: str, case: Mapping[str, Any]) -> tuple[str, ...]:
    met = {True: "yes", False: "NO", None: "–"}[case["met"]]
    costs = case["cpu_ms_per_notification"]
    figures = (case["baseline"], case["ratio"], costs.get("services"), costs.get("all"))
    return (name, number(case["value"]), case["unit"], *map(number, figures), str(case["lost"]),
            str(case["duplicated"]), met, case["target"])  # fmt: skip


def number(value: float | None) -> str:
    """Three significant figures."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def drawn(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(one[column]) for one in rows) for column in range(len(rows[0]))]
    right = [heading in TO_THE_RIGHT for heading in rows[0]]
    lines = [
        "  ".join(
            cell.rjust(width) if flush else cell.ljust(width)
            for cell, width, flush in zip(one, widths, right, strict=True)
        )
        for one in rows
    ]
    return "\n".join(line.rstrip() for line in lines)
