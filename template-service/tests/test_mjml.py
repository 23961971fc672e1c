"""MJML as the content of a template: compiled when it is saved, with its Liquid."""

import html5lib
import pytest

from template_service.authoring.mjml import compile_mjml, is_mjml
from templating import TemplateError, TemplateSource, compile_template

TEMPLATES = "/api/v1/templates"
MAIL = """<mjml>
  <mj-head>
    <mj-title>Order {{ order.id }}</mj-title>
    <mj-preview>{{ order.id }} is on its way</mj-preview>
    <mj-attributes><mj-all font-family="Arial" /></mj-attributes>
    <mj-style inline="inline">.note { color: {{ brand }} }</mj-style>
    <mj-style>@media (max-width: 480px) { .note { font-size: 9px } }</mj-style>
  </mj-head>
  <mj-body background-color="{{ brand | default: '#fff' }}">
    {% if vip %}
    <mj-section><mj-column><mj-text>Thank you, <b>{{ name }}</b> &amp; co &copy;</mj-text></mj-column></mj-section>
    {% endif %}
    <!-- the items -->
    {% for item in items %}<mj-section>
      <mj-column>
        {% if item.image %}<mj-image src="{{ item.image }}" alt="{{ item.name }}" width="100px" />{% endif %}
      </mj-column>
      <mj-column>
        <mj-text>{{ item.name }} <span class="note">{% if item.price < 3 %}cheap{% endif %}</span></mj-text>
      </mj-column>
    </mj-section>{% endfor %}
    <mj-section><mj-column>
      <mj-table>{% for item in items %}<tr><td>{{ item.name | upcase }}</td></tr>{% endfor %}</mj-table>
      <mj-raw>{% assign sum = 1 | plus: 2 %}<tr><td style="font-size: 9px">{{ sum }}</td></tr></mj-raw>
      <mj-button href="{{ link }}">Follow it</mj-button>
    </mj-column></mj-section>
  </mj-body>
</mjml>"""
VALUES = {
    "order": {"id": "<7>"},
    "brand": "#ff0000",
    "vip": True,
    "name": "Ada",
    "link": "https://example.com/7",
    "items": [{"name": "Pen", "price": 2, "image": "https://example.com/p.png"}, {"name": "Ink", "price": 5}],
}


def test_liquid_in_texts_attributes_styles_and_between_elements_works() -> None:
    done = compile_template(TemplateSource(subject="s", html=compile_mjml(MAIL).html)).render_email(VALUES)
    document = html5lib.parse(done.html, namespaceHTMLElements=False)
    texts = " ".join(" ".join(document.itertext()).split())
    assert "Thank you, Ada & co ©" in texts
    assert "Order &lt;7&gt;" in done.html
    assert [image.get("alt") for image in document.iter("img")] == ["Pen"]
    assert [link.get("href") for link in document.iter("a")] == ["https://example.com/7"]
    notes = [span for span in document.iter("span") if span.get("class") == "note"]
    assert [(note.text, note.get("style")) for note in notes] == [("cheap", "color: #ff0000"), (None, "color: #ff0000")]
    assert "@media (max-width: 480px) { .note { font-size: 9px } }" in done.html
    assert "mso" in done.html
    assert "background-color:#ff0000" in done.html


def test_the_text_part_reads_well() -> None:
    done = compile_template(TemplateSource(subject="s", html=compile_mjml(MAIL).html)).render_email(VALUES)
    assert done.text.split("\n") == [
        *("Thank you, Ada & co ©", "Pen", "Pen cheap", "Ink", "PEN", "INK", "3", "Follow it (https://example.com/7)")
    ]


def test_links_of_a_menu_are_separated_in_the_text_part() -> None:
    menu = "".join(f'<mj-navbar-link href="https://e.com/{n}">{n}</mj-navbar-link>' for n in "ab")
    html = compile_mjml(
        f"<mjml><mj-body><mj-section><mj-column><mj-navbar>{menu}</mj-navbar></mj-column></mj-section></mj-body></mjml>"
    ).html
    text = compile_template(TemplateSource(subject="s", html=html)).render_email({}).text
    assert text == "a (https://e.com/a) b (https://e.com/b)"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("<mjml>", True),
        ("\n <!-- a --> {% assign a = 1 %}<mjml lang='en'>", True),
        ("<p><mjml>", False),
        ("mjml", False),
        ("", False),
        ("<mjmlx>", False),
    ],
)
def test_mjml_is_known_by_its_first_element(content, expected) -> None:
    assert is_mjml(content) is expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "<mjml>\n<mj-body>\n<mj-section>\n</mj-body></mjml>",
            "line 4: </mj-body> stands where </mj-section> is expected",
        ),
        ("<mjml>\n<mj-body>\n<mj-sectoin />\n</mj-body></mjml>", "line 3: MJML has no <mj-sectoin>"),
        ("<mjml>\n<mj-body>", "line 2: <mj-body> is not closed"),
        (
            "<mjml>\n<mj-body><mj-include path='/etc/passwd' /></mj-body></mjml>",
            "line 2: <mj-include> is not available",
        ),
        (
            "<mjml><mj-body>\n{{ a }}\n<mj-text a=></mj-text></mj-body></mjml>",
            "line 3: the attributes of <mj-text> need",
        ),
        (
            "<mjml><mj-body><mj-raw>\n<p>a <b>c</p></mj-raw></mj-body></mjml>",
            "line 2: </p> stands where </b> is expected",
        ),
        ("<mjml><mj-body><mj-raw><br>\na < b</mj-raw></mj-body></mjml>", "line 2: a '<' begins no tag"),
        (
            "<mjml><mj-body><mj-section><mj-column>\n<mj-image width='{{ w }}' /></mj-column></mj-section></mj-body></mjml>",
            "line 2: MJML drops '{{ w }}' here",
        ),
    ],
)
def test_an_error_names_its_place(content, message) -> None:
    with pytest.raises(TemplateError) as refused:
        compile_mjml(content)
    assert refused.value.code == "template_syntax"
    assert message in refused.value.message


@pytest.mark.parametrize(
    "inside",
    ["<b>" * 20_000 + "</b>" * 20_000, "<mj-raw>" * 12_000 + "</mj-raw>" * 12_000, "<!--" * 60_000, '<a "' * 60_000],
    ids=["html", "mjml", "comments", "quotes"],
)
def test_a_hostile_source_is_refused(inside) -> None:
    """Deep nesting overflows the compiler's stack; the service goes on."""
    with pytest.raises(TemplateError):
        compile_mjml(f"<mjml><mj-body><mj-raw>{inside}</mj-raw></mj-body></mjml>")


def test_whether_it_is_mjml_is_soon_known() -> None:
    assert not is_mjml("<!---->" * 30_000)


async def test_mjml_is_answered_as_written_and_sent_as_html(admin, service) -> None:
    created = await admin.post(TEMPLATES, json={"code": "order", "name": "Order", "content": MAIL})
    data = created.json()["data"]
    assert (data["content"], data["content_format"], data["warnings"]) == (MAIL, "mjml", [])
    assert data["variables"] == ["items", "link", "name", "order.id"]
    sent = (await service.get("/internal/templates/order")).json()["data"]
    assert sent["html"].startswith("<!doctype html>")
    assert "mj-section" not in sent["html"]
    shown = (await admin.post(f"{TEMPLATES}/order/render", json={"variables": VALUES})).json()["data"]
    assert "Thank you, <b>Ada</b>" in shown["email"]["html"]
    changed = (await admin.patch(f"{TEMPLATES}/order", json={"subject": "New"})).json()["data"]
    assert (changed["version"], changed["content"], changed["content_format"]) == (2, MAIL, "mjml")


async def test_an_error_in_mjml_or_its_liquid_is_a_422_about_the_content(admin) -> None:
    for content, message in (
        ("<mjml>\n<mj-body>", "line 2: <mj-body> is not closed"),
        ("<mjml>\n<mj-body>\n{{ a | unknown }}</mj-body></mjml>", "line 3: "),
    ):
        answer = await admin.post(TEMPLATES, json={"code": "order", "name": "Order", "content": content})
        assert answer.status_code == 422
        assert answer.json()["error"] == "invalid_template"
        (problem,) = answer.json()["data"]["errors"]
        assert problem["field"] == "content"
        assert message in problem["message"]
