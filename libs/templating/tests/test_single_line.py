"""A subject and a title are one line, whatever is in the values, and making them so costs no more than their length."""

import time

import pytest

from templating import TemplateSource, compile_template


@pytest.mark.parametrize(
    ("value", "subject"),
    [
        ("a\r\nBcc: v@e.f", "a Bcc: v@e.f"),
        ("a  \r\n \x00 \n b", "a b"),
        ("\n\n", ""),
        ("a  b", "a  b"),
        ("\u2028x\u2029", "x"),
    ],
)
def test_control_characters_become_one_blank(value: str, subject: str) -> None:
    template = compile_template(TemplateSource(subject="{{ v }}", html="x"))
    assert template.render_email({"v": value}).subject == subject


def test_a_run_of_blanks_costs_no_more_than_its_length() -> None:
    template = compile_template(TemplateSource(subject="{{ v }}", html="x"))
    began = time.process_time()
    template.render_email({"v": "a" + " " * 60_000 + "b"})
    assert time.process_time() - began < 1, "quadratic: a minute of a worker's event loop for one value"
