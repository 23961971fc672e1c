"""Lists of addresses that are uploaded: CSV (RFC 4180) or JSON lines, read as they arrive. An exported list has fingerprints
in place of addresses.
"""

import codecs
import csv
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import get_args

import orjson
from pydantic import ValidationError

from chassis.errors import Unprocessable
from chassis.process.yielding import give_way
from contracts.addresses import InvalidAddress, parse_mailbox
from contracts.suppressions import ExportedAddress, SuppressionReason

MAX_ROWS = 100_000  # in one file: about 15 MB in memory, of an exported list 70
MAX_RECORD = 10_000  # characters
MAX_PROBLEMS = 100  # in one answer
ROWS_AT_A_TIME = 200  # about a millisecond
REASONS: tuple[SuppressionReason, ...] = get_args(SuppressionReason)
HEAD = "The first line names the columns: `email` (or `fingerprint`, as exported), and perhaps `reason`"


@dataclass(slots=True)
class AddressList:
    """Addresses by the reason why they get no mail."""

    by_reason: dict[SuppressionReason, list[str]] = field(default_factory=dict)
    exported: dict[SuppressionReason, list[ExportedAddress]] = field(default_factory=dict)
    rows: int = 0

    def add(self, address: str | ExportedAddress, reason: SuppressionReason) -> None:
        if isinstance(address, str):
            self.by_reason.setdefault(reason, []).append(address)
        else:
            self.exported.setdefault(reason, []).append(address)
        self.rows += 1


class _Refused(Exception):
    """What is wrong with one record; it never quotes an address."""


class _RestUnread(_Refused):
    """Stops the reading at this record."""


Row = Mapping[str, str]
Reader = Callable[[str], Row | None]
"""A record's columns, `email` or `fingerprint` among them; None for the line with the names of the columns."""


async def read_addresses(pieces: AsyncIterable[bytes], *, json: bool, reason: SuppressionReason) -> AddressList:
    """`reason` is for the rows that name none. Raises Unprocessable with the lines that are not valid: then none is used."""
    found, problems = AddressList(), list[dict[str, str]]()
    read: Reader = _json_record if json else _CsvReader()
    number = 0
    async for line, record in _records(pieces, whole=not json):
        number += 1
        if number % ROWS_AT_A_TIME == 0:
            await give_way()
        try:
            _take(record, read, found, reason)
        except _Refused as refused:
            problems.append({"field": f"line {line}", "message": str(refused)})
            if len(problems) >= MAX_PROBLEMS or isinstance(refused, _RestUnread):
                break
    if not problems and not found.rows:
        problems.append({"field": "body", "message": "has no addresses"})
    if problems:
        raise Unprocessable(data={"errors": problems})
    return found


def _take(record: "str | _Refused", read: Reader, found: AddressList, default: SuppressionReason) -> None:
    """Raises _Refused."""
    if isinstance(record, _Refused):
        raise record
    if (row := read(record)) is None:
        return
    address = _address(row["email"]) if "email" in row else _exported(row)
    found.add(address, _reason(row.get("reason", ""), default))
    if found.rows > MAX_ROWS:
        raise _RestUnread(f"A file has at most {MAX_ROWS:,} rows")


async def _records(pieces: AsyncIterable[bytes], *, whole: bool) -> AsyncIterator[tuple[int, "str | _Refused"]]:
    """Each record with the number of its first line. `whole`: a line end inside quotes does not end it. What cannot be split
    into records is the last one."""
    splitter = _Splitter(whole=whole)
    try:
        async for piece in pieces:
            for one in splitter.feed(piece):
                yield one
        for one in splitter.feed(b"", last=True):
            yield one
    except _Refused as refused:
        yield splitter.line, refused
    except UnicodeDecodeError:
        yield splitter.line, _Refused("is not UTF-8")


class _Splitter:
    """A record has an even number of quotes: in a quoted field each quote is doubled (RFC 4180, 2.7)."""

    def __init__(self, *, whole: bool) -> None:
        self.line = 1
        self._whole = whole
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._rest = ""

    def feed(self, piece: bytes, *, last: bool = False) -> Iterator[tuple[int, str]]:
        """Raises _Refused, UnicodeDecodeError."""
        *lines, self._rest = (self._rest + self._decoder.decode(piece, final=last)).split("\n")
        if last:
            lines, self._rest = [*lines, self._rest], ""
        record: list[str] = []
        for line in lines:
            record.append(line)
            if self._whole and sum(part.count('"') for part in record) % 2:
                if sum(map(len, record)) > MAX_RECORD:
                    break
                continue
            yield from self._record(record)
            record = []
        self._rest = "\n".join([*record, self._rest])
        if len(self._rest) > MAX_RECORD or (last and record):
            raise _Refused("A quote is not closed, or the line is too long")

    def _record(self, lines: list[str]) -> Iterator[tuple[int, str]]:
        text = "\n".join(lines).removesuffix("\r")
        if len(text) > MAX_RECORD:
            raise _Refused("The line is too long")
        if text.strip():
            yield self.line, text
        self.line += len(lines)


class _CsvReader:
    def __init__(self) -> None:
        self._columns: list[str] = []

    def __call__(self, record: str) -> Row | None:
        try:
            values = next(csv.reader([record], strict=True))
        except (csv.Error, StopIteration) as error:
            raise _Refused("is no row of CSV") from error
        if not self._columns:
            self._columns = [value.strip().lower() for value in values]
            if not {"email", "fingerprint"} & set(self._columns):
                raise _RestUnread(HEAD)
            return None
        if len(values) != len(self._columns):
            raise _Refused(f"has {len(values)} columns in place of {len(self._columns)}")
        return dict(zip(self._columns, values, strict=True))


def _json_record(record: str) -> Row:
    try:
        row = orjson.loads(record)
    except orjson.JSONDecodeError:
        row = None
    key = "fingerprint" if isinstance(row, dict) and "email" not in row else "email"
    if not isinstance(row, dict) or not isinstance(row.get(key), str):
        raise _Refused(
            'is not a JSON object with an `email`, such as {"email": "ada@example.com", "reason": "bounced"}'
        )
    others = {name: row.get(name) or "" for name in ("reason", "masked")}
    return {key: row[key], **{name: text if isinstance(text, str) else "?" for name, text in others.items()}}


def _address(text: str) -> str:
    try:
        return parse_mailbox(text).shown
    except InvalidAddress as error:
        raise _Refused(str(error)) from None


def _exported(row: Row) -> ExportedAddress:
    fields = {name: row[name].strip() for name in ("fingerprint", "masked") if row.get(name, "").strip()}
    try:
        return ExportedAddress.model_validate(fields)
    except ValidationError:
        raise _Refused("has no fingerprint of 64 hexadecimal digits, or what is masked is no masked address") from None


def _reason(text: str, default: SuppressionReason) -> SuppressionReason:
    name = text.strip().lower()
    if not name:
        return default
    for reason in REASONS:
        if name == reason:
            return reason
    raise _Refused(f"The reason is one of {', '.join(REASONS)}, or empty")
