"""What became of the notifications of one fault, and the table that `make faults` prints."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One fault's count. `taken`: notifications that a provider has taken. `explained`: taken once more, where nobody can
    know whether the provider had taken them.
    """

    fault: int
    title: str
    accepted: int
    taken: int
    duplicated: int
    lost: int
    explained: int


TABLE: list[Row] = []


def count(
    fault: int,
    title: str,
    statuses: Mapping[str, str],
    copies: Mapping[str, int],
    *,
    ambiguous: Iterable[str] = (),
    not_taken: Iterable[str] = (),
) -> Row:
    """Enters a row. `statuses`: id → the status it has now; `copies`: id → how often the provider took it.

    `ambiguous` are those that may have been taken twice, `not_taken` those that rightly never reach the provider.
    """
    allowed_twice, outside = set(ambiguous), set(not_taken)
    twice = {name for name in statuses if copies.get(name, 0) > 1}
    extra = {name for name in twice if name not in allowed_twice or copies[name] > 2}
    missing = {name for name in statuses if not copies.get(name) and name not in outside and name not in allowed_twice}
    unended = {name for name, status in statuses.items() if status in {"pending", "queued"}}
    row = Row(
        fault,
        title,
        accepted=len(statuses),
        taken=sum(bool(copies.get(name)) for name in statuses),
        duplicated=len(extra),
        lost=len(missing | unended),
        explained=len(twice - extra),
    )
    TABLE.append(row)
    return row


def printed(rows: Iterable[Row]) -> list[str]:
    head = f"{'#':>2}  {'fault':<62} {'accepted':>8} {'taken':>8} {'duplicated':>10} {'lost':>5} {'explained':>9}"
    body = [
        f"{row.fault:>2}  {row.title:<62} {row.accepted:>8} {row.taken:>8} {row.duplicated:>10} {row.lost:>5} "
        f"{row.explained:>9}"
        for row in sorted(rows, key=lambda row: (row.fault, row.title))
    ]
    return [head, *body]
