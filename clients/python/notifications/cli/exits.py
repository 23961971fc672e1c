"""The exit codes, as docs/how-to/command-line.md lists them, and the error that ends a command with one."""

from enum import IntEnum


class ExitCode(IntEnum):
    OK = 0
    BAD_OUTCOME = 1
    USAGE = 2
    NOT_ALLOWED = 3
    NOT_FOUND = 4
    REFUSED = 5
    UNAVAILABLE = 6
    TIMED_OUT = 7
    INTERRUPTED = 130
    BROKEN_PIPE = 141


class CommandError(Exception):
    """Ends the command with one line on stderr."""

    def __init__(self, message: str, code: ExitCode = ExitCode.USAGE) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class ReaderGone(BaseException):
    """Whoever read our output has closed the pipe, as `head` does. Nothing is left to say."""


def exit_code_of(status: int) -> ExitCode:
    """For the HTTP status of an answer that is an error."""
    if status in {401, 403}:
        return ExitCode.NOT_ALLOWED
    if status == 404:
        return ExitCode.NOT_FOUND
    if status == 429:
        return ExitCode.UNAVAILABLE
    return ExitCode.REFUSED
