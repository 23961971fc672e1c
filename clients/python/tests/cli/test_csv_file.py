"""CSV as people have it gives what they expect, or a clear error."""

from pathlib import Path

import pytest

from notifications.cli.exits import CommandError
from notifications.cli.files.csv_file import open_csv

PLAIN = "email,name,order.id\nada@example.com,Ada,A-1\nbob@example.com,Bob,A-2\n"
EXPECTED = [
    {"email": "ada@example.com", "name": "Ada", "order.id": "A-1"},
    {"email": "bob@example.com", "name": "Bob", "order.id": "A-2"},
]


@pytest.fixture
def written(tmp_path: Path):
    def write(text: str, encoding: str = "utf-8") -> Path:
        path = tmp_path / "people.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return write


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (PLAIN, "utf-8"),
        (PLAIN, "utf-8-sig"),
        (PLAIN.replace(",", ";"), "utf-8"),
        (PLAIN.replace(",", "\t"), "utf-16"),  # Excel's "Unicode text"
        (PLAIN.replace(",", ";"), "utf-16-le"),
        (PLAIN, "utf-16-be"),
        (PLAIN.replace("\n", "\r\n"), "utf-8"),
        (PLAIN.replace("\n", "\r"), "utf-8"),
        (PLAIN.replace("\n", "\n\n"), "utf-8"),
        (f"\n{PLAIN}\n ,,\n", "utf-8"),
        ("sep=;\r\n" + PLAIN.replace(",", ";"), "utf-8"),
        (PLAIN.replace("\n", ",,\n"), "utf-8"),
        ('"email","name","order.id"\n"ada@example.com", "Ada","A-1"\nbob@example.com,Bob,A-2', "utf-8"),
        (" email , name,order.id \nada@example.com,Ada,A-1\nbob@example.com,Bob,A-2\n", "utf-8"),
    ],
)
def test_the_same_rows_in_every_form(written, text, encoding) -> None:
    rows = list(open_csv(written(text, encoding)).rows())
    assert [row.values for row in rows] == EXPECTED
    assert [row.problem for row in rows] == ["", ""]


def test_quotation_marks_line_ends_and_delimiters_inside_of_values_stay(written) -> None:
    rows = list(open_csv(written('email;text\na@example.com;"He said ""no"";\nand left"\nb@example.com;x\n')).rows())
    assert [(row.number, row.values["text"]) for row in rows] == [(2, 'He said "no";\nand left'), (4, "x")]


def test_a_file_with_one_column_has_no_delimiter(written) -> None:
    assert [row.values for row in open_csv(written("email\nada@example.com\n")).rows()] == [
        {"email": "ada@example.com"}
    ]


def test_names_of_columns_are_found_however_they_are_written(written) -> None:
    file = open_csv(written("User ID,E-Mail\nx,y\n"))
    assert (file.column("user_id"), file.column("e_mail"), file.column("email")) == ("User ID", "E-Mail", None)


def test_an_encoding_that_is_named_is_used(written) -> None:
    assert next(open_csv(written("name\nZoë\n", "cp1252"), "cp1252").rows()).values == {"name": "Zoë"}


@pytest.mark.parametrize("row", ["ada@example.com", "ada@example.com,Ada,more"])
def test_a_row_of_another_length_is_a_bad_row_and_the_next_is_none(written, row) -> None:
    rows = list(open_csv(written(f"email,name\n{row}\nbob@example.com,Bob\n")).rows())
    assert ["values, and there are 2 columns" in row.problem for row in rows] == [True, False]


def test_columns_of_an_errors_file_are_no_values(written) -> None:
    row = next(open_csv(written("email,_row,_error\na@example.com,7,why\n")).rows())
    assert (row.values, row.problem) == ({"email": "a@example.com"}, "")


@pytest.mark.parametrize(
    ("text", "encoding", "said"),
    [
        ("", "utf-8", "is empty"),
        ("\n\n", "utf-8", "is empty"),
        ("email,name,email\n", "utf-8", "the column 'email' twice"),
        ("Email,name,email\n", "utf-8", "twice (also as 'Email')"),
        ("name\nZoë\n", "cp1252", "no UTF-8; a file that Excel saved as CSV may need --encoding cp1252"),
        ('email,name\na@example.com,"Ada\nb@example.com,Bob\n', "utf-8", "line 2: a quotation mark is opened here"),
        ('email,name\na@example.com,"A"da"\n', "utf-8", "written twice"),
        (f"email\n{'x' * 200_000}\n", "utf-8", "more than 131,072 characters"),
    ],
)
def test_what_is_no_csv_is_said_with_its_place(written, text, encoding, said) -> None:
    path = written(text, encoding)
    with pytest.raises(CommandError) as refused:
        list(open_csv(path).rows())
    assert str(path) in refused.value.message
    assert said in refused.value.message


def test_a_file_or_an_encoding_that_does_not_exist(tmp_path, written) -> None:
    with pytest.raises(CommandError, match="There is no file"):
        open_csv(tmp_path / "none.csv")
    with pytest.raises(CommandError, match="is no file"):
        open_csv(tmp_path)
    with pytest.raises(CommandError, match="no such encoding"):
        open_csv(written(PLAIN), "utf-99")
