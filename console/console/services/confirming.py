"""What a page asks before something is done that cannot be undone, or that stops a program."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """`points` say what follows. `action` is where the form goes, `back` the page for those who do not want it.

    With `typed` these words have to be typed first. `choices` are values and texts of a list. `harmless`: it can be undone.
    """

    title: str
    points: Sequence[str]
    action: str
    button: str
    back: str
    back_title: str
    typed: str = ""
    typed_label: str = ""
    choices: Sequence[tuple[str, str]] = ()
    choices_label: str = ""
    harmless: bool = False
