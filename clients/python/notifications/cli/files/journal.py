"""What a run has done, in a file beside its CSV, so that it can go on where it stopped.

The journal saves time. That nothing is sent twice does not depend on it: each row's `request_id` does that.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TextIO

from notifications.cli.exits import CommandError
from notifications.cli.files.private import open_private

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment,unused-ignore]


def row_id(run: str, value: Mapping[str, Any], number: int) -> str:
    """The same for the same content in the same run. `number` counts rows that are equal."""
    text = json.dumps([run, value, number], sort_keys=True, ensure_ascii=True)
    return f"csv-{hashlib.sha256(text.encode()).hexdigest()[:40]}"


class Journal:
    """JSON lines: a run's options, the ids of the rows that are done (a line for each batch), its end."""

    def __init__(self, path: Path, run: str, system: str, options: Mapping[str, Any]) -> None:
        """The same file may be sent to several systems. Raises CommandError if the run was begun there with other options, or
        if another process is at it.
        """
        self.path = path
        self.run = run
        self.done: set[str] = set()
        self._options = {"run": run, "system": system, **options}
        self._begun = False
        self._file = self._locked()
        try:
            self._read()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def record(self, ids: Iterable[str]) -> None:
        """They are done, whatever becomes of this process."""
        ids = list(ids)
        if ids:
            self._begin()
            self._append({"done": ids})

    def finish(self) -> None:
        if self._begun:
            self._append({"finished": datetime.now(UTC).isoformat(timespec="seconds")})

    def remove(self) -> None:
        """For a run that may be repeated as a whole."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def _begin(self) -> None:
        if not self._begun:
            self._append({"options": self._options})
            self._begun = True

    def _append(self, entry: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(entry) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _locked(self) -> TextIO:
        try:
            file = open_private(self.path, "a+", "utf-8")
        except OSError as error:
            raise CommandError(f"The journal {self.path} cannot be written: {error.strerror}") from error
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                file.close()
                raise CommandError(f"Another process works on this file (it holds {self.path})") from error
        return file

    def _read(self) -> None:
        """What was done in this run. A last line that was cut off counts for nothing."""
        self._file.seek(0)
        text = self._file.read()
        if text and not text.endswith("\n"):
            self._file.write("\n")
        ours = False
        for entry in filter(None, map(_entry, text.splitlines())):
            if "options" in entry:
                ours = all(entry["options"].get(name) == self._options[name] for name in ("run", "system"))
                if ours and entry["options"] != self._options:
                    raise CommandError(self._contradiction(entry["options"]))
            elif ours:
                self.done.update(entry.get("done", ()))
        self._begun = ours

    def _contradiction(self, earlier: Mapping[str, Any]) -> str:
        names = sorted(name for name in {*earlier, *self._options} if earlier.get(name) != self._options.get(name))
        return (
            f"This file was sent before with another {', '.join(names)} (see {self.path}). To go on, use the same options; "
            "to send it as another message, name a run: --run NAME"
        )


def _entry(text: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(text)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None
