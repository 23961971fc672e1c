"""Temporary folders in which servers keep their data."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def server_folder(prefix: str, *, ignore_cleanup_errors: bool = False) -> Iterator[Path]:
    """PostgreSQL's own user has to get to its folder inside: pytest's folders are closed to it."""
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=ignore_cleanup_errors) as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
