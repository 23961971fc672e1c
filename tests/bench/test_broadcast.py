"""What counts beside a broadcast is what was due while it was being accepted."""

from bench.cases.broadcast import due
from bench.load.plan import LoadReport


def test_what_was_due_before_or_after_is_left_out() -> None:
    accepted = [(key, when, when + 9) for key, when in (("before", 1.9), ("first", 2.0), ("last", 4.9), ("after", 5.0))]
    report = LoadReport(started=1.0, ended=20.0, refused=0, first_refusal="", accepted=accepted)
    assert due(report, 2.0, 5.0).ids == ["first", "last"]
