"""A journal remembers what is done, through crashes, and refuses what would send twice."""

import stat

import pytest

from notifications.cli.exits import CommandError
from notifications.cli.files.journal import Journal, row_id

SYSTEM = "https://notify.example.com live"


def opened(path, run="", system=SYSTEM, **options) -> Journal:
    return Journal(path / "people.csv.notify-journal", run, system, {"template": "welcome", **options})


def test_what_was_recorded_is_done_in_the_next_process(tmp_path) -> None:
    with opened(tmp_path) as journal:
        journal.record(["a", "b"])
        journal.record(["c"])
    with opened(tmp_path) as journal:
        assert journal.done == {"a", "b", "c"}
        assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600


def test_a_line_that_was_cut_off_counts_for_nothing_and_spoils_nothing(tmp_path) -> None:
    with opened(tmp_path) as journal:
        journal.record(["a"])
    with journal.path.open("a") as file:
        file.write('{"done": ["b"')
    with opened(tmp_path) as journal:
        assert journal.done == {"a"}
        journal.record(["c"])
    with opened(tmp_path) as journal:
        assert journal.done == {"a", "c"}


def test_other_options_of_a_run_are_refused_and_named(tmp_path) -> None:
    with opened(tmp_path) as journal:
        journal.record(["a"])
    with pytest.raises(CommandError, match="another template"):
        opened(tmp_path, template="other")
    with opened(tmp_path, run="second", template="other") as journal:
        assert journal.done == set()


def test_each_system_and_each_run_has_its_own_rows(tmp_path) -> None:
    for run, system, key in (("", SYSTEM, "a"), ("", "http://localhost:8000 live", "b"), ("again", SYSTEM, "c")):
        with opened(tmp_path, run, system) as journal:
            assert journal.done == set()
            journal.record([key])
    with opened(tmp_path) as journal:
        assert journal.done == {"a"}
        journal.record(["d"])  # after other runs' lines
    with opened(tmp_path) as journal:
        assert journal.done == {"a", "d"}


def test_two_processes_cannot_work_on_one_file(tmp_path) -> None:
    with opened(tmp_path), pytest.raises(CommandError, match="Another process"):
        opened(tmp_path)
    opened(tmp_path).__exit__(None)


def test_a_row_s_id_depends_on_its_content_its_run_and_its_number_alone() -> None:
    same = row_id("", {"a": 1, "b": {"c": "é"}}, 0)
    assert row_id("", {"b": {"c": "é"}, "a": 1}, 0) == same
    others = [
        row_id("x", {"a": 1, "b": {"c": "é"}}, 0),
        row_id("", {"a": 2, "b": {"c": "é"}}, 0),
        row_id("", {"a": 1, "b": {"c": "é"}}, 1),
    ]
    assert len({same, *others}) == 4
    assert len(same) == 44
