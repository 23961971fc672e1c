"""A name is one line of any script."""

import pytest
from pydantic import TypeAdapter, ValidationError

from contracts.fields import Name

FIELD = TypeAdapter(Name)


@pytest.mark.parametrize(
    "name",
    [
        "Prix\u00a0!",
        "O’Brien\u202f?",
        "می\u200cخواهم",
        "क्\u200dष",
        "👩\u200d👩\u200d👧 family \ufe0f",
        "\u200fאבג\u200e (Acme)",
        "\u2067שלום\u2069",
        "日本\u3000太郎",
        "co\u00adoperate",
        "Z\u0351algo",
        "a\tb".replace("\t", "\u2003"),
    ],
)
def test_names_of_every_script_are_taken_as_they_are(name):
    assert FIELD.validate_python(name) == name


def test_blanks_around_a_name_are_not_part_of_it():
    assert FIELD.validate_python(" \u00a0Ada Lovelace\t ") == "Ada Lovelace"


@pytest.mark.parametrize("character", [*map(chr, range(0x20)), "\x7f", "\x80", "\x85", "\u2028", "\u2029", "\ud800"])
def test_control_characters_are_refused(character):
    with pytest.raises(ValidationError):
        FIELD.validate_python(f"a{character}b")


@pytest.mark.parametrize("name", ["", " ", "\u00a0", "x" * 201])
def test_a_name_says_something_and_not_too_much(name):
    with pytest.raises(ValidationError):
        FIELD.validate_python(name)
