"""Calls the compilers of `child.py`, each call in a process of its own, with a limit on time and memory."""

import subprocess
import sys
from pathlib import Path
from typing import Literal

from template_service.authoring.child import FAULTY_SOURCE

MAX_SECONDS = 3.0
_ROOT = Path(__file__).parent.parent.parent  # from where the child finds this package


class SourceError(Exception):
    """The source has an error. The text is the compiler's message."""


class GaveUp(Exception):
    """The source takes too much time, memory or nesting."""


def compile_isolated(compiler: Literal["mjml", "css"], source: str) -> str:
    """Blocks: call it in a thread. Raises SourceError, GaveUp."""
    command = [sys.executable, "-m", "template_service.authoring.child", compiler]
    try:
        done = subprocess.run(  # noqa: S603 - no part of the command is a caller's
            command, input=source.encode(), capture_output=True, cwd=_ROOT, timeout=MAX_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise GaveUp from None
    if done.returncode == FAULTY_SOURCE:
        raise SourceError(done.stdout.decode())
    if done.returncode:
        raise GaveUp
    return done.stdout.decode()
