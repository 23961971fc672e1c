"""Rows of a CSV, posted in batches: each once, the bad ones set aside, and resumable at any moment."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic_core import to_json
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from notifications import InvalidRequest, RateLimited
from notifications.cli import output
from notifications.cli.files.csv_file import CsvFile, Row
from notifications.cli.files.errors_file import ErrorsFile
from notifications.cli.files.journal import Journal, row_id

MAX_BATCH = 500
MAX_BATCH_BYTES = 1_000_000  # the gateway takes 4 MiB
MAX_WAIT_SECONDS = 300.0


class RowProblem(Exception):
    """The row cannot be posted; the message says why."""


@dataclass(frozen=True, slots=True)
class Item:
    """A row that can be posted: its `request_id` or key in the journal, and its body."""

    row: Row
    id: str
    body: dict[str, Any]


@dataclass(slots=True)
class Tally:
    """`already`: rows that were accepted when the same run was carried out before."""

    rows: int = 0
    accepted: int = 0
    already: int = 0
    refused: int = 0

    def __str__(self) -> str:
        parts = [f"{self.accepted:,} accepted"]
        parts += [f"{self.already:,} accepted before"] if self.already else []
        parts += [f"{self.refused:,} refused"] if self.refused else []
        return f"{self.rows:,} rows: {', '.join(parts)}"

    def as_json(self) -> dict[str, int]:
        return asdict(self)


Prepare = Callable[[Row], dict[str, Any]]
"""The body of a row. Raises RowProblem."""

Post = Callable[[Sequence[Item]], Sequence[str | None]]
"""Posts items; for each the reason why it was refused, or None. Raises InvalidRequest if that is not known, as when the
batch is too large: it is tried again in halves.
"""


@dataclass(slots=True)
class Execution:
    """Posts the rows of a file in batches, and records what became of each. A run (`Journal.run`) may take several
    executions: each goes on where the last one stopped.
    """

    journal: Journal
    errors: ErrorsFile
    prepare: Prepare
    post: Post
    tally: Tally = field(default_factory=Tally)

    def all(self, file: CsvFile, advance: Callable[[int], object]) -> None:
        """Every row of the file that is not done yet. `advance` is told how many rows are finished."""
        for batch in _batches(self._items(file.rows(), advance)):
            self._post(batch)
            advance(len(batch))

    def _items(self, rows: Iterator[Row], advance: Callable[[int], object]) -> Iterator[Item]:
        equal: Counter[str] = Counter()
        for row in rows:
            self.tally.rows += 1
            try:
                item = self._item(row, equal)
            except RowProblem as problem:
                self._refuse(row, str(problem))
                advance(1)
                continue
            if item.id in self.journal.done:
                self.tally.already += 1
                advance(1)
            else:
                yield item

    def _item(self, row: Row, equal: Counter[str]) -> Item:
        if row.problem:
            raise RowProblem(row.problem)
        body = self.prepare(row)
        first = row_id(self.journal.run, body, 0)
        equal[first] += 1
        return Item(row, row_id(self.journal.run, body, equal[first] - 1), body)

    def _post(self, batch: Sequence[Item]) -> None:
        for item, reason in zip(batch, self._posted(batch), strict=True):
            if reason is not None:
                self._refuse(item.row, reason)

    def _posted(self, batch: Sequence[Item]) -> list[str | None]:
        """What was accepted is in the journal when this returns."""
        try:
            reasons = list(_post_in_rate(self.post, batch))
        except InvalidRequest as refused:
            if len(batch) == 1:
                return [str(refused)]
            half = len(batch) // 2
            return self._posted(batch[:half]) + self._posted(batch[half:])
        accepted = [item.id for item, reason in zip(batch, reasons, strict=True) if reason is None]
        self.journal.record(accepted)
        self.tally.accepted += len(accepted)
        return reasons

    def _refuse(self, row: Row, reason: str) -> None:
        self.tally.refused += 1
        self.errors.write(row, reason)


def _batches(items: Iterator[Item]) -> Iterator[list[Item]]:
    batch: list[Item] = []
    size = 0
    for item in items:
        length = len(to_json(item.body)) + 100
        if batch and (len(batch) >= MAX_BATCH or size + length > MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += length
    if batch:
        yield batch


def _post_in_rate(post: Post, batch: Sequence[Item]) -> Sequence[str | None]:
    """Posts the batch. While the rate limit is reached, waits as long as the server asks for."""
    while True:
        try:
            return post(batch)
        except RateLimited as limited:
            seconds = min(limited.retry_after or 10.0, MAX_WAIT_SECONDS)
            output.note(f"The rate limit is reached; going on in {seconds:.0f} s")
            time.sleep(seconds)


def progress() -> Progress:
    """On stderr; without a terminal it shows nothing."""
    screen = output.messages()
    return Progress(
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=screen, disable=not screen.is_terminal,
    )  # fmt: skip
