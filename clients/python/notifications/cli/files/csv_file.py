"""CSV as people have it: from Excel, with semicolons, in UTF-16, with a byte order mark, with empty lines."""

import codecs
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from notifications.cli.exits import CommandError

DELIMITERS = ",;\t|"
BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
# Columns of an errors file. In a file that is read they are of no meaning.
ROW, ERROR = "_row", "_error"


@dataclass(frozen=True, slots=True)
class Row:
    """`number` is the line of the file in which the row begins. A row with a `problem` cannot be used."""

    number: int
    values: dict[str, str]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class CsvFile:
    path: Path
    encoding: str
    delimiter: str
    columns: tuple[str, ...]
    """The names of the columns; "" is one without a name, which holds nothing."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in self.columns if name and name not in {ROW, ERROR})

    def column(self, name: str) -> str | None:
        """The column of that name, however its capitals and blanks are written: `User ID` is `user_id`."""
        return next((each for each in self.names if _plain(each) == _plain(name)), None)

    def rows(self) -> Iterator[Row]:
        """Without empty ones. Raises CommandError where the file is no CSV."""
        lines = _lines(self.path, self.encoding, self.delimiter)
        next(lines)
        for number, cells in lines:
            if any(cell.strip() for cell in cells):
                yield self._row(number, cells)

    def _row(self, number: int, cells: list[str]) -> Row:
        values = {
            name: cell for name, cell in zip(self.columns, cells, strict=False) if name and name not in {ROW, ERROR}
        }
        given = len(cells)
        while given > len(self.columns) and not cells[given - 1].strip():
            given -= 1
        unnamed = any(cell.strip() for name, cell in zip(self.columns, cells, strict=False) if not name)
        if given == len(self.columns) and not unnamed:
            return Row(number, values)
        expected = len([name for name in self.columns if name])
        return Row(number, values, f"The row has {given} values, and there are {expected} columns")


def open_csv(path: Path, encoding: str | None = None) -> CsvFile:
    """Reads the header. Raises CommandError if there is none that can be used."""
    if not path.is_file():
        raise CommandError(f"{path} is no file" if path.exists() else f"There is no file {path}")
    encoding = encoding or _encoding(path)
    delimiter = _delimiter(path, encoding)
    header = next(_lines(path, encoding, delimiter), None)
    if header is None:
        raise CommandError(f"{path} is empty: its first line has to name the columns")
    columns = [name.strip() for name in header[1]]
    while columns and not columns[-1]:
        columns.pop()
    seen: dict[str, str] = {}
    for name in filter(None, columns):
        if _plain(name) in seen:
            raise CommandError(f"{path} has the column {name!r} twice" + _other(name, seen[_plain(name)]))
        seen[_plain(name)] = name
    return CsvFile(path, encoding, delimiter, tuple(columns))


def _other(name: str, earlier: str) -> str:
    return "" if name == earlier else f" (also as {earlier!r})"


def _plain(name: str) -> str:
    return name.strip().casefold().replace(" ", "_").replace("-", "_")


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        beginning = file.read(400)
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if beginning.startswith(mark):
            return encoding
    if beginning[1::2].count(0) > len(beginning) / 4:
        return "utf-16-le"
    if beginning[::2].count(0) > len(beginning) / 4:
        return "utf-16-be"
    return "utf-8"


def _delimiter(path: Path, encoding: str) -> str:
    """What stands most often between the names of the columns. Excel's own `sep=;` in a first line says it."""
    with _opened(path, encoding) as file:
        try:
            first = next((line for line in file if line.strip()), "")
        except UnicodeError as error:
            raise _unreadable(path, encoding, 1) from error
    if first.casefold().startswith("sep="):
        return first.strip()[4:5] or ","
    unquoted = "".join(first.split('"')[::2])
    return max(DELIMITERS, key=unquoted.count)


def _lines(path: Path, encoding: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The header, and then each row with the line in which it begins."""
    with _opened(path, encoding) as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True, skipinitialspace=True)
        line, header = 1, False
        try:
            for cells in reader:
                began, line = line, reader.line_num + 1
                if not header and (not any(cell.strip() for cell in cells) or cells[0].casefold().startswith("sep=")):
                    continue
                header = True
                yield began, cells
        except UnicodeError as error:
            raise _unreadable(path, encoding, reader.line_num + 1) from error
        except csv.Error as error:
            raise CommandError(f"{path}, line {line}: {_why(error)}") from error


def _opened(path: Path, encoding: str) -> TextIO:
    try:
        return path.open(encoding=encoding, newline="")
    except LookupError as error:
        raise CommandError(f"--encoding {encoding}: there is no such encoding") from error
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from error


def _unreadable(path: Path, encoding: str, line: int) -> CommandError:
    hint = "; a file that Excel saved as CSV may need --encoding cp1252" if encoding == "utf-8" else ""
    return CommandError(f"{path}, near line {line}: this is no {encoding.upper()}{hint}")


def _why(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end of data" in text:
        return "a quotation mark is opened here and never closed"
    if "expected after" in text:
        return "text follows a closing quotation mark; a quotation mark inside of a value is written twice"
    if "field larger" in text:
        return f"a value has more than {csv.field_size_limit():,} characters; is a quotation mark not closed?"
    return text
