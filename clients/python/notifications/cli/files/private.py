"""Files with data of people, which only their owner may read."""

import os
from pathlib import Path
from typing import Literal, TextIO

FLAGS = {"w": os.O_WRONLY | os.O_TRUNC, "a+": os.O_RDWR | os.O_APPEND}


def open_private(path: Path, mode: Literal["w", "a+"], encoding: str) -> TextIO:
    """Without translation of line ends. A file that is there keeps its mode."""
    return os.fdopen(os.open(path, FLAGS[mode] | os.O_CREAT, 0o600), mode, encoding=encoding, newline="")
