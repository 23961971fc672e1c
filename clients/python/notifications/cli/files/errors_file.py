"""The rows that were refused, with the reason, as a CSV that can be repaired and sent itself."""

import csv
from typing import Self, TextIO

from notifications.cli.exits import CommandError
from notifications.cli.files.csv_file import ERROR, ROW, CsvFile, Row, open_csv
from notifications.cli.files.private import open_private


class ErrorsFile:
    """Made with the first refused row. One of an earlier execution is replaced, or removed if nothing is refused."""

    def __init__(self, source: CsvFile) -> None:
        """Raises CommandError if a file of that name is something else."""
        self.path = source.path.with_name(f"{source.path.stem}.errors.csv")
        self.count = 0
        self._source = source
        self._file: TextIO | None = None
        if self.path.exists() and ERROR not in open_csv(self.path).columns:
            raise CommandError(f"{self.path} would be overwritten, and is no file of errors: move it away")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._file is not None:
            self._file.close()
        elif kind is None:
            self.path.unlink(missing_ok=True)

    def write(self, row: Row, reason: str) -> None:
        """With the delimiter of the source, and a byte order mark, by which Excel knows the encoding."""
        if self._file is None:
            self._file = open_private(self.path, "w", "utf-8-sig")
            self._writer = csv.writer(self._file, delimiter=self._source.delimiter)
            self._writer.writerow([*self._source.names, ROW, ERROR])
        self._writer.writerow([*(row.values.get(name, "") for name in self._source.names), row.number, reason])
        self._file.flush()
        self.count += 1
