"""Whatever a variable holds, a subject is one line: no header can be added to a mail through it. (Abuse case 13.)"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templating import TemplateSource, compile_template

PLAIN = compile_template(TemplateSource(subject="Hi {{ name }}, welcome", text="x"))
FILTERED = compile_template(TemplateSource(subject="Hi {{ name | append: '' }}, welcome", text="x"))


@pytest.mark.parametrize("template", [PLAIN, FILTERED])
def test_a_line_end_in_a_name_adds_no_header(template):
    assert template.render_email({"name": "x\r\nBcc: v@e.f"}).subject == "Hi x Bcc: v@e.f, welcome"


@given(st.text(st.characters(max_codepoint=0x2100), max_size=40) | st.lists(st.text(), max_size=3))
def test_no_control_character_survives_in_a_subject(value):
    for template in (PLAIN, FILTERED):
        subject = template.render_email({"name": value}).subject
        assert not any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 or c in "\u2028\u2029" for c in subject)
        assert len(subject.splitlines()) == 1


def test_a_line_end_in_the_template_itself_is_no_line_end():
    assert compile_template(TemplateSource(subject="a\nBcc: b", text="x")).render_email({}).subject == "a Bcc: b"
