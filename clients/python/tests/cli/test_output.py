"""Nothing in the data is acted on: no markup, no sequence of a terminal."""

import json
import subprocess
import sys

from notifications.cli import output

HOSTILE = "[red]x[/red] :smile: \x1b[31m\x9b2J\r\n\u202eevil\u2028 \ud800"


def test_lines_and_tables_show_hostile_values_as_escapes(capsys) -> None:
    output.line(HOSTILE, output.styled(HOSTILE))
    output.table(("A", "B"), [(HOSTILE, None)])
    output.note(HOSTILE)
    said = capsys.readouterr()
    for text in (said.out, said.err):
        assert "[red]x[/red] :smile: \\x1b[31m\\x9b2J\\r\\n\\u202eevil\\u2028 \\ud800" in text
        assert not output.UNSAFE.search(text.replace("\n", "").replace("\t", ""))
    assert len(said.out.splitlines()) == 2


def test_json_shows_them_as_json_escapes_and_stays_json(capsys) -> None:
    output.json_line({"name": HOSTILE, "plain": "Zoë"})
    said = capsys.readouterr().out
    assert not output.UNSAFE.search(said.removesuffix("\n"))
    assert json.loads(said) == {"name": HOSTILE, "plain": "Zoë"}


def test_without_a_terminal_a_table_is_lines_with_tabs(capsys) -> None:
    output.table(("A", "B"), [("1", "two words"), ("3", None)])
    assert capsys.readouterr().out == "1\ttwo words\n3\t\n"


def test_a_terminal_s_encoding_stops_nothing() -> None:
    code = "import sys; from notifications.cli import output; from notifications.cli.main import main"
    code += "; sys.argv = ['notify', '--version']"
    code += "\ntry: main()\nexcept SystemExit: pass\noutput.line('Zoë €')"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONIOENCODING": "ascii"}, capture_output=True, text=True, check=True
    )
    assert "Zo\\xeb \\u20ac" in done.stdout
