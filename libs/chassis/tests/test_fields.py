"""Times of callers are within a range that is safe to compute with; texts can be stored."""

from datetime import UTC, datetime
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, Field, SecretStr, TypeAdapter, ValidationError

from chassis.fields import (
    EARLIEST,
    LATEST,
    ONLY_NUMBERS,
    WRITTEN,
    Instant,
    InstantOrDate,
    Text,
    TrueOrFalse,
    plain_message,
)

INSTANT, EITHER, TEXT = TypeAdapter(Instant), TypeAdapter(InstantOrDate), TypeAdapter(Text)
NUMBER, CHOICE = TypeAdapter(Annotated[int, Field(ge=1), ONLY_NUMBERS]), TypeAdapter(TrueOrFalse)
TEN = datetime(2026, 11, 26, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-26T10:00:00Z",
        "2026-11-26T10:00:00",  # without an offset: UTC
        "2026-11-26t10:00",
        "2026-11-26 10:00:00.000000",
        "2026-11-26T12:00:00+02:00",
        "2026-11-26T12:00:00+0200",
        "2026-11-26T12:00:00 02:00",  # a plus that a query turned into a blank
        "2026-11-26 12:00 0200",
        "2026-11-26T12:00:00.000 02:00",
        "2026-11-25T19:01:00-14:59",
        "2026-11-27T00:59:00+14:59",
        TEN,
    ],
)
def test_one_moment_has_many_spellings(written: object) -> None:
    assert INSTANT.validate_python(written) == EITHER.validate_python(written) == TEN


@pytest.mark.parametrize(
    "written",
    [
        "9999-12-31T23:59:59-12:00",
        "9999-12-31T23:59:59",
        "0001-01-01T00:00:00+14:59",
        "0001-01-01T00:00:00Z",
        "1132-01-01T00:00:00Z",
        "1999-12-31T23:59:59.999999Z",
        "2100-01-01T00:00:00Z",
        "2026-11-26T10:00:60Z",  # a leap second, which PostgreSQL and Python do not support
        "2026-11-26T24:00:00Z",
        "2026-11-26T10:00:00+24:00",
        "2026-11-26T10:00:00+01:00:30",
        "2026-02-30T10:00:00Z",
        "2026-11-26T10",
        "2026-11-26",  # a date alone; only filters accept it
        "26.11.2026",
        "tomorrow",
        "",
        "\0",
        "\ud800",
        "２０２６-11-26T10:00:00Z",
        1795687200,  # seconds or milliseconds?
        1795687200.0,
        "1795687200",
        "+1795687200",
        "1.8e9",
        -1,
        0,
        1e300,
        float("nan"),
        float("inf"),
        10**40,
        True,
        [],
        {},
    ],
)
def test_a_time_without_sense_is_refused(written: object) -> None:
    with pytest.raises(ValidationError):
        INSTANT.validate_python(written)


@given(st.datetimes(timezones=st.timezones() | st.just(UTC)), st.sampled_from([0, 0.5, 7, 14.98, -12, -23.98]))
def test_an_accepted_time_can_be_shifted_by_a_year_and_written_in_any_zone(moment: datetime, hours: float) -> None:
    sign, minutes = "-" if hours < 0 else "+", round(abs(hours) * 60)
    written = f"{moment.replace(tzinfo=None).isoformat()}{sign}{minutes // 60:02}:{minutes % 60:02}"
    try:
        taken = INSTANT.validate_python(written)
    except ValidationError:
        assert not EARLIEST.year < moment.year < LATEST.year - 1
    else:
        assert EARLIEST <= taken < LATEST
        assert taken.tzinfo is UTC


def test_a_date_is_its_first_moment() -> None:
    assert EITHER.validate_python("2026-11-26") == datetime(2026, 11, 26, tzinfo=UTC)
    with pytest.raises(ValidationError):
        EITHER.validate_python("1132-11-26")


@pytest.mark.parametrize("written", ["2026-12-01", "2026-12-01T09", "tomorrow", "", [], True])
def test_an_invalid_time_is_refused_with_the_expected_form(written: object) -> None:
    with pytest.raises(ValidationError) as caught:
        INSTANT.validate_python(written)
    (problem,) = caught.value.errors()
    assert plain_message(problem["msg"]) == WRITTEN
    example = WRITTEN.rpartition(" ")[2]
    assert INSTANT.validate_python(example) == datetime(2026, 12, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800", "a\udfff"])
def test_text_that_cannot_be_kept_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        TEXT.validate_python(text)


@pytest.mark.parametrize("text", ["", "plain", "é", "\U0001f600", "\n\t\x7f", "\ufffe"])
def test_all_other_text_is_taken_as_it_is(text: str) -> None:
    assert TEXT.validate_python(text) == text


@pytest.mark.parametrize("value", ["5", " 5 ", "5_0", "5.0", "", True, False, 5.5, None, [], {}])
def test_nothing_but_a_number_of_json_s_is_a_whole_number(value: object) -> None:
    with pytest.raises(ValidationError):
        NUMBER.validate_python(value)


@pytest.mark.parametrize("value", [5, 5.0])
def test_a_number_is_whole_however_json_writes_it(value: float) -> None:
    assert NUMBER.validate_python(value) == 5


@pytest.mark.parametrize("value", [0, 1, 0.0, "no", "true", "", None, [], {}])
def test_nothing_but_true_and_false_is_true_or_false(value: object) -> None:
    with pytest.raises(ValidationError):
        CHOICE.validate_python(value)


def _refuse(_number: int) -> int:
    raise ValueError("must not be odd")


def _assert(_number: int) -> int:
    raise AssertionError("must not be even")


class Inner(BaseModel):
    pass


class Odd(BaseModel):
    one: Annotated[int, AfterValidator(_refuse)]
    two: Annotated[int, AfterValidator(_assert)]
    three: Inner
    four: Annotated[SecretStr, Field(min_length=8)]
    five: Annotated[SecretStr, Field(max_length=1)]


def test_a_problem_is_described_without_names_of_the_model() -> None:
    with pytest.raises(ValidationError) as caught:
        Odd.model_validate({"one": 1, "two": 2, "three": 3, "four": "4", "five": "55"})
    assert [plain_message(problem["msg"]) for problem in caught.value.errors()] == [
        "must not be odd",
        "must not be even",
        "Input should be an object",
        "Length should be at least 8",
        "Length should be at most 1",
    ]
