"""The `date` filter reads what is no guess, and writes what Ruby's strftime writes."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templating import TemplateSource, compile_template
from templating.filters.dates import strftime

SHOWN = "%Y-%m-%d %H:%M:%S"
YEAR_1000 = datetime(1000, 1, 1)  # noqa: DTZ001
MOMENT = datetime(2026, 3, 5, 14, 7, 9, 45678, tzinfo=UTC)


def date(value: object, pattern: str = SHOWN) -> str:
    template = compile_template(TemplateSource(text="{{ v | date: p }}"))
    return template.parts["text"].render({"v": value, "p": pattern})


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("2026-03-05", "2026-03-05 00:00:00"),
        ("2026-03-05 14:07", "2026-03-05 14:07:00"),
        ("2026-03-05T14:07:09", "2026-03-05 14:07:09"),
        ("2026-03-05T14:07:09.045Z", "2026-03-05 14:07:09"),
        ("2026-03-05T14:07:09+02:00", "2026-03-05 14:07:09"),
        ("2026-03-05 14:07:09 UTC", "2026-03-05 14:07:09"),
        ("2026-03-05 14:07:09 -0500", "2026-03-05 14:07:09"),
        ("2026-3-5", "2026-03-05 00:00:00"),
        ("2026/03/05", "2026-03-05 00:00:00"),
        ("2026.03.05", "2026-03-05 00:00:00"),
        ("2026-03", "2026-03-01 00:00:00"),
        ("March 5, 2026", "2026-03-05 00:00:00"),
        ("5 March 2026", "2026-03-05 00:00:00"),
        ("5th Mar 2026", "2026-03-05 00:00:00"),
        ("Thu, 05 Mar 2026 14:07:09 GMT", "2026-03-05 14:07:09"),
        ("Thu Mar  5 14:07:09 2026", "2026-03-05 14:07:09"),
        ("March 5, 2026 at 2:07 pm", "2026-03-05 14:07:00"),
        ("MARCH 2026", "2026-03-01 00:00:00"),
        (1772719629, "2026-03-05 14:07:09"),
        (1772719629.9, "2026-03-05 14:07:09"),
        ("1772719629", "2026-03-05 14:07:09"),
        ("1772719629.5", "2026-03-05 14:07:09"),
        (0, "1970-01-01 00:00:00"),
        (-1, "1969-12-31 23:59:59"),
    ],
)
def test_what_is_read(value, shown):
    assert date(value) == shown


@pytest.mark.parametrize(
    "value",
    [
        *("05.03.2026", "5.3.2026", "05/03/2026", "3/14/2026", "05-03-2026", "05.03.", "05.03", "5/3", "31.12.99"),
        *("", "tomorrow", "soon", "2026-13-45", "2026-02-30", "99:99", "1st", "Mar", "x2026-03-05", "2026-03-05x"),
        *("1" * 30, "1e9", "-5", "٢٠٢٦-٠٣-٠٥", "2026-W10", "march of the penguins", "may", "10", "monday"),
    ],
)
def test_what_is_a_guess_comes_back_as_it_is(value):
    if value in {"Mar", "may", "10"}:  # a month is that of this year, and digits are seconds: nothing to guess
        assert date(value) != ""
    else:
        assert date(value) == value


@pytest.mark.parametrize(
    ("value", "printed"), [(None, ""), (True, "true"), ([1], "1"), ({"a": 1}, '{"a"=>1}'), (1e300, "1.0e+300")]
)
def test_what_is_no_date_at_all_prints_as_it_is(value, printed):
    assert date(value) == printed
    assert date(value, "") == printed


def test_now_is_the_time_of_the_render_in_utc():
    before = datetime.now(UTC)
    for word in ("now", "today", "Now"):
        shown = datetime.strptime(date(word, "%F %T %z"), "%Y-%m-%d %H:%M:%S %z")
        assert before - timedelta(seconds=1) <= shown <= datetime.now(UTC)


def test_a_time_alone_is_of_today():
    assert date("14:07", "%F %H:%M") == f"{datetime.now(UTC):%Y-%m-%d} 14:07"


@pytest.mark.parametrize(
    ("pattern", "written"),
    [
        *[("%d %-d %e %_d %03d", "05 5  5  5 005"), ("%m %-m %B %b %h %^b %^B", "03 3 March Mar Mar MAR MARCH")],
        *[("%Y %y %C %G %g", "2026 26 20 2026 26"), ("%H %k %I %l %-I %p %P %#p", "14 14 02  2 2 PM pm pm")],
        *[("%M %S %L %N %3N %6N %9N %s", "07 09 045 045678000 045 045678 045678000 1772719629")],
        *[
            ("%a %A %^a %u %w %j %U %W %V", "Thu Thursday THU 4 4 064 09 09 10"),
            ("%z %:z %::z %Z", "+0000 +00:00 +00:00:00 UTC"),
        ],
        *[("%F %T %R %D %x %X %r", "2026-03-05 14:07:09 14:07 03/05/26 03/05/26 14:07:09 02:07:09 PM")],
        *[("%c|%v|%+", "Thu Mar  5 14:07:09 2026| 5-MAR-2026|Thu Mar  5 14:07:09 UTC 2026")],
        *[("%% %n%t| %Q %", "% \n\t| %Q %"), ("%10Y|%-y|%_5m", "0000002026|26|    3"), ("%999Y", "0" * 96 + "2026")],
    ],
)
def test_what_is_written(pattern, written):
    assert strftime(MOMENT, pattern) == written


def test_zones():
    there = MOMENT.astimezone(timezone(timedelta(hours=-3, minutes=-30)))
    assert strftime(there, "%F %T %z %:z") == "2026-03-05 10:37:09 -0330 -03:30"


@given(st.datetimes(min_value=YEAR_1000), st.sampled_from("aAbBdHIjmMSuUwWyYGV"))
def test_where_python_has_the_directive_too_both_say_the_same(when, directive):
    assert strftime(when, f"%{directive}") == when.strftime(f"%{directive}")


@given(st.text(max_size=40) | st.from_regex(r"\d{1,4}[-./ ]\d{1,4}[-./ ]\d{1,4}( \d\d:\d\d)?", fullmatch=True))
def test_no_text_makes_it_fail(value):
    date(value)
