"""Variables from flags and files; times as people write them."""

import io
from datetime import UTC, datetime, timedelta

import pytest

from notifications.cli.exits import CommandError
from notifications.cli.options import instant, moment
from notifications.cli.variables import variables


def test_flags_win_over_the_file_and_dots_lead_into_objects(tmp_path) -> None:
    file = tmp_path / "vars.json"
    file.write_text('{"name": "Ada", "order": {"id": "A-1", "total": 3}}')
    flags = ["name=Bob", "order.id=A=2", "items:=[1, 2]", "empty="]
    assert variables(flags, str(file)) == {
        "name": "Bob", "order": {"id": "A=2", "total": 3}, "items": [1, 2], "empty": "",
    }  # fmt: skip


def test_standard_input_is_a_file(monkeypatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"name": "Ada"}'))
    assert variables([], "-") == {"name": "Ada"}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["name"], "write NAME=VALUE"),
        (["=x"], "write NAME=VALUE"),
        (["n:=oops"], "not JSON"),
        (["a=1", "a.b=2"], "contradicts"),
        (["a.b=2", "a=1"], "variables below it"),
        (["a..b=1"], "no name"),
    ],
)
def test_a_flag_that_is_wrong_is_named(flags, said) -> None:
    with pytest.raises(CommandError, match=said):
        variables(flags, None)


@pytest.mark.parametrize("text", ["[1]", "{", '"x"', "[" * 100_000])
def test_a_file_that_is_no_object_is_refused(tmp_path, text) -> None:
    file = tmp_path / "vars.json"
    file.write_text(text)
    with pytest.raises(CommandError, match="JSON"):
        variables([], str(file))


def test_a_span_is_that_long_ago_and_a_time_has_a_zone() -> None:
    ago = instant("90m", "--since")
    assert abs(datetime.now(UTC) - timedelta(minutes=90) - ago) < timedelta(seconds=5)
    assert moment("2026-12-31T18:00Z", "--send-at") == datetime(2026, 12, 31, 18, tzinfo=UTC)
    assert moment("2026-12-31", "--send-at").tzinfo is not None
    for wrong in ("tomorrow", "2h30", "9" * 400 + "h"):
        with pytest.raises(CommandError, match="no time"):
            instant(wrong, "--since")
