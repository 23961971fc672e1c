"""A mail whose template has only HTML gets a text part that says what the HTML says, whatever the values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templating import TemplateError, TemplateSource, compile_template
from templating.html_text import html_to_text

PLAIN = (
    "<html><head><title>{{ a }}</title><style>p { color: red }</style></head><body style='color:{{ b }}'>"
    "<div style='display:none'>preheader {{ a }}</div><h1>Hello {{ a }}!</h1><p>You  owe\n<b>{{ b }}</b>&nbsp;&euro;</p>"
    "<table><tr><td>{{ a }}</td><td>{{ b }}</td></tr><tr><td>x</td><td>{{ a }}</td></tr></table>"
    "<ul><li>{{ a }}</li><li>two</li></ul><p><a href='{{ link }}'>Pay {{ b }}</a> <a href='https://e/{{ a }}'>or</a></p>"
    "<img src='{{ link }}' alt='Logo'></body></html>"
)


def text_of(source: str, **variables: object) -> str:
    return compile_template(TemplateSource(html=source)).render_email(variables).text


def test_the_text_reads_as_a_person_would_write_it():
    assert text_of(PLAIN, a="A & B", b=5, link="https://e/?x=1&y=2") == (
        "Hello A & B!\n\nYou owe 5 €\n\nA & B 5\nx A & B\n\n* A & B\n* two\n\n"
        "Pay 5 (https://e/?x=1&y=2) or (https://e/A%20&%20B)\n\nLogo"
    )


USERS = ["Ada", "Bob", "Cyd"]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{% for u in us %}{{u}}{% unless forloop.last %}<br>{% endunless %}{% endfor %}", "Ada\nBob\nCyd"),
        ("{% for u in us %}{% unless forloop.first %}<br>{% endunless %}{{u}}{% endfor %}", "Ada\nBob\nCyd"),
        (
            "{% for u in us %}<b>{{u}}</b>{% if forloop.last %}.{% else %},<br/>{% endif %}{% endfor %}",
            "Ada,\nBob,\nCyd.",
        ),
        ("{% for u in us %}<div>{{u}}</div>{% endfor %}", "Ada\nBob\nCyd"),
        ("{% for u in us %}<p>{{u}}</p>{% endfor %}", "Ada\n\nBob\n\nCyd"),
        ("{% for u in us %}{% if u == 'Bob' %}<p>{% endif %}{{u}}{% endfor %}", "Ada\n\nBobCyd"),
        ("<ol>{% for u in us %}<li>{{u}}</li>{% endfor %}</ol>", "1. Ada\n2. Bob\n3. Cyd"),
        ("<ol start='{{ n }}'>{% for u in us %}<li>{{u}}{% endfor %}</ol>", "7. Ada\n8. Bob\n9. Cyd"),
        ("<ol reversed>{% for u in us %}<li>{{u}}</li>{% endfor %}</ol>", "3. Ada\n2. Bob\n1. Cyd"),
        ("<ol>{% for u in us %}<li value='{{ n }}'>{{u}}</li>{% endfor %}</ol>", "7. Ada\n7. Bob\n7. Cyd"),
        ("{% for u in us %}<ol start='{{ forloop.index }}'><li>{{u}}</ol>{% endfor %}", "1. Ada\n\n2. Bob\n\n3. Cyd"),
        ("<table>{% for u in us %}<tr><td>{{forloop.index}}<td>{{u}}</tr>{% endfor %}</table>", "1 Ada\n2 Bob\n3 Cyd"),
    ],
)
def test_what_loops_make_has_its_line_ends_and_numbers(source, text):
    assert text_of(source, us=USERS, n=7) == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<ol start=-1><li>a<li>b<li>c</ol>", "-1. a\n0. b\n1. c"),
        ("<ol start=x><li value=' 5'>a<li value=b>b</ol>", "5. a\n6. b"),
        ("<ol start=99999999999999999999><li>a</ol>", "1. a"),
        ("<ol reversed start=5><li>a<li value=9>b<li>c</ol>", "5. a\n9. b\n8. c"),
        ("<ol type=a start=26><li>a<li>b</ol>", "z. a\naa. b"),
        ("<ol type=A><li>a</ol><ol type=i start=4><li>a<li>b</ol><ol type=I><li>a</ol>", "A. a\n\niv. a\nv. b\n\nI. a"),
        ("<ol type=i start=0><li>a</ol><ol type=a start=0><li>b</ol>", "0. a\n\n0. b"),
        ("<ol style='list-style-type: lower-roman'><li>a<li>b</ol>", "i. a\nii. b"),
        ("<ul style='list-style:none'><li>a<li>b</ul>", "a\nb"),
        ("<ol><li>a<ul><li>b<ol><li>c</ol></ul><li>d</ol>", "1. a\n   * b\n     1. c\n2. d"),
        ("<ol><li><p>a</p><p>b</p><li>c</ol>", "1. a\n\n   b\n\n2. c"),
        ("<ol><div><li>a</li></div><li hidden>x</li><li></li><li>b</ol>", "1. a\n3. b"),
        ("<ul>a<li>b</ul><li>c", "a\n* b\n\n* c"),
        ("<dl><dt>a<dd>b<dd>c</dl>", "a\n  b\n  c"),
        ("a<blockquote>b<p>c<br>d</blockquote>e", "a\n\n> b\n\n> c\n> d\n\ne"),
        ("<pre> x\n  y&nbsp;z\n\n\n\nw</pre>v", " x\n  y z\n\nw\n\nv"),
        ("<p style='white-space: pre-line'> a\n b</p>", "a\nb"),
        ("a<span style='display:block'>b</span><span style='DISPLAY : Block'>c</span>", "a\nb\nc"),
        ("A<br>B<br><br>C<br><br><br>D", "A\nB\n\nC\n\nD"),
        ("<p>a<p><br><p>b", "a\n\nb"),
        ("<center>a</center><address>b</address><footer>c</footer>d", "a\nb\nc\nd"),
        ("<table><caption>c</caption><thead><tr><th>h<th>i<tbody><tr><td>1<td><p>2</p></table>", "c\nh i\n1\n\n2"),
        ("<table><tr><td>a<table><tr><td>b<td>c</table><td>d</table>", "a\nb c\nd"),
        ("a&nbsp;&nbsp; b&shy;c &amp;lt; &#8364; x\u200dy", "a bc &lt; € x\u200dy"),
        ("<b>a</b> <i> b</i>\n c<b>d</b>", "a b cd"),
    ],
)
def test_html_as_text(html, text):
    assert html_to_text(html) == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<a href='https://e/1'><img src=x alt=Track></a>", "Track (https://e/1)"),
        ("<a href='https://e/1'><img alt=' Track  it '> now</a>!", "Track it now (https://e/1)!"),
        ("<a href='https://e/1'><img src=x></a>", "https://e/1"),
        ("<a href='https://e/1'><img src=x alt=''></a>", "https://e/1"),
        ("<a href='https://e/1'></a><a name=x></a>a", "a"),
        ("<a href='https://e/1'>https://e/1</a>", "https://e/1"),
        ("<a href='https://e/'>https://e</a>", "https://e"),
        ("<a href='mailto:a@b.c'>a@b.c</a> <a href='tel:+49 1'>call</a>", "a@b.c call (tel:+49%201)"),
        ("<a href='#top'>up</a> <a href='javascript:x()'>run</a> <a href=''>none</a>", "up run none"),
        ("<a href='u'><div>Card</div></a>x", "Card (u)\nx"),
        ("<a href='u'> a </a>b", "a (u) b"),
        ("<a href='u'><table><tr><td>a<td>b</table></a>", "a b (u)"),
        ("<img alt=Logo><img src=pixel><picture><source><img alt=P></picture>", "Logo P"),
        (
            "<a href='u' style='mso-hide:all'>Button</a><!--[if mso]><v:rect>Old button</v:rect><![endif]-->",
            "Button (u)",
        ),
    ],
)
def test_links_and_pictures(html, text):
    assert html_to_text(html) == text


@pytest.mark.parametrize(
    "html",
    [
        "<style>p{}</style><main>Code 1</main>",
        "<style>p{}</style><section><article>Code 1</article></section>",
        "<title>x</title><style>p{}</style>Code 1",
        "<head><title>x</title></head><main>Code 1</main>",
        "<!doctype html><meta charset=utf-8><link rel=x><nav>Code 1</nav>",
        "<script>x</script><template>y</template><iframe>z</iframe><svg><title>t</title></svg>Code 1",
        "<!-- x --><!--[if mso]>y<![endif]--><![if !mso]>Code 1<![endif]>",
        "<!--[if !mso]><!-->Code 1<!--<![endif]-->",
        "<noscript>Code 1</noscript>",
    ],
)
def test_what_is_not_content_is_left_out_and_what_follows_it_is_not(html):
    assert html_to_text(html) == "Code 1"


HIDING = [
    "hidden",
    "HIDDEN=''",
    "style='display:none'",
    "style='color:red; DISPLAY : NONE !important'",
    "style='display:/* x */none'",
    "style='display:block;display:none'",
    "style='visibility:hidden'",
    "style='visibility: collapse'",
    "style='opacity:0'",
    "style='opacity:0.00'",
    "style='font-size:0'",
    "style='font-size:0px;line-height:0'",
    "style='font:0/0 a'",
    "style='max-height:0'",
    "style='max-height:0px;overflow:hidden'",
    "style='height:0;overflow:hidden'",
    "style='width:0px;overflow-x:auto;overflow:hidden'",
]


@pytest.mark.parametrize("attribute", HIDING)
def test_what_the_html_hides_is_not_in_the_text(attribute):
    assert html_to_text(f"<div {attribute}>secret <p>more</p></div><p>shown</p>") == "shown"
    assert html_to_text(f"<ol><li {attribute}>secret<li>shown</ol>").endswith(". shown")
    assert html_to_text(f"<table><tr {attribute}><td>secret<tr><td>shown</table>") == "shown"


@pytest.mark.parametrize(
    "style",
    [
        "display:none;display:block",
        "opacity:0.5",
        "opacity:.05",
        "font-size:10px",
        "font-size:0.8em",
        "font:700 10px/0 a",
        "max-height:0.5em",
        "height:0",
        "height:0.1px;overflow:hidden",
        "line-height:0",
        "mso-hide:all",
        "background:url(x?display:none)",
    ],
)
def test_what_the_html_shows_is_in_the_text(style):
    assert html_to_text(f"<div style='{style}'>shown</div>") == "shown"


def test_inside_what_is_hidden_by_its_font_or_visibility_other_values_show_again():
    column = "<div style='font-size:13px'>yes<b style='font-size:1em'>!</b></div>"
    assert html_to_text(f"<div style='font-size:0px'>no{column}<img alt=pic></div>") == "yes!\npic"
    assert html_to_text("<p style='visibility:hidden'>no<b style='visibility:visible'>yes</b><img alt=no></p>") == "yes"
    assert html_to_text("<p style='font-size:0'><b style='font-size:50%'>no</b></p>yes") == "yes"


@pytest.mark.parametrize(
    ("source", "shown", "hidden"),
    [
        ("<p style='display:{{ d }}'>x</p>y", "block", "none"),
        ("<p {% if d %}hidden{% endif %}>x</p>y", False, True),
        ("<p style='{% if d %}max-height:0{% endif %}'>x</p>y", False, True),
        ("<p style='opacity:{{ d }}'>x</p>y", 1, 0),
    ],
)
def test_what_a_value_hides_is_not_in_the_text(source, shown, hidden):
    assert text_of(source, d=shown) == "x\n\ny"
    assert text_of(source, d=hidden) == "y"


def test_an_alternative_text_or_address_from_a_value_is_in_the_text():
    source = "<a href='{{ u }}'><img src='x' alt='{{ a }}'></a>"
    assert text_of(source, u="https://e/1", a="Track") == "Track (https://e/1)"
    assert text_of(source, u="javascript:x", a="Track") == "Track"
    assert text_of("<a href='{{ u }}'>{{ u }}</a>", u="https://e/1") == "https://e/1"


SOURCES = [
    PLAIN,
    (
        "<p>Hi{% if a != 'x' %} {{ a | upcase }}{% else %} you{% endif %},</p>{% unless b == 'x' %}<p>Pay {{ b }}</p>"
        "{% endunless %}<ul>{% for i in items %}<li>{{ i }}: <a href='{{ link }}'>{{ a }}</a></li>{% endfor %}</ul>"
        "<table>{% for i in items %}<tr><td>{{ forloop.index }}</td><td>{{ i }}</td></tr>{% endfor %}</table>bye"
    ),
    "<p>{{ a | escape }}{{ b | newline_to_br }}{{ '<i>' | append: a }}&#123;&#123; {{ a }} }}\ue000</p>",
    "<p {% if a %}class='x'{% endif %} style='display:{{ b }}'>{{ a }}</p><pre>{{ b }}</pre><ol start='{{ b }}'><li>{{ a }}",
]
words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12) | st.sampled_from(
    ["none", "<p>", "0"]
)


@pytest.mark.parametrize("source", SOURCES)
@given(a=words, b=words, link=st.sampled_from(["https://e/1", "javascript:x"]), items=st.lists(words, max_size=3))
def test_the_text_is_what_converting_the_html_gives(source, a, b, link, items):
    mail = compile_template(TemplateSource(html=source)).render_email({"a": a, "b": b, "link": link, "items": items})
    assert mail.text == html_to_text(mail.html)


_counter = st.integers(0, 10**6).map(lambda number: f"w{number}")
# Those that may hold each other: another <p> would end a <p>, and what is hidden with it.
_nesting_tags = st.sampled_from(["div", "b", "ul", "ol", "table", "blockquote", "main", "pre", "span", "dl", "center"])


@st.composite
def documents(draw: st.DrawFn, depth: int = 0, *, hidden: bool = False) -> tuple[str, list[str]]:
    """HTML, and the words in it that are shown, in order."""
    html, shown = "", []
    for _ in range(draw(st.integers(1, 3))):
        word = draw(_counter)
        html += f" {word} "
        shown += [] if hidden else [word]
        if depth < 4 and draw(st.booleans()):
            tag, hides = draw(_nesting_tags), draw(st.sampled_from(["", "", *HIDING]))
            inner, words_inside = draw(documents(depth + 1, hidden=hidden or bool(hides)))
            inside = f"<tr><td>{inner}</td></tr>" if tag == "table" else inner
            html += f"<{tag} {hides}>{inside}</{tag}>"
            shown += words_inside
    return html, shown


@given(documents())
def test_every_word_that_is_shown_is_in_the_text_once_and_in_order(document):
    html, shown = document
    text = html_to_text(html)
    assert [word for word in text.split() if word.startswith("w")] == shown
    assert "\n\n\n" not in text
    assert [line for line in text.splitlines() if line != line.rstrip()] == []


def test_a_text_of_its_own_is_used_as_it_is():
    assert compile_template(TemplateSource(html="<p>a</p>", text="b\n\n\n\nc")).render_email({}).text == "b\n\n\n\nc"


def test_neither_styles_nor_nesting_can_blow_the_text_up():
    wide = "<p style='margin-top:99999em;padding-left:99999em'>x</p>" * 50
    cells = "<table><tr><td>" + "a" * 100_000 + "</td></tr>" + "<tr><td>x</td></tr>" * 2_000 + "</table>"
    assert len(html_to_text(wide)) < 200
    assert len(html_to_text(cells)) < 110_000
    assert len(html_to_text("<ul><li>x" * 20_000)) < 20_000 * 60
    assert html_to_text("<div>" * 40_000 + "x") == "x"


def test_more_tags_than_can_be_converted_in_time_need_a_text_of_their_own():
    with pytest.raises(TemplateError) as refused:
        compile_template(TemplateSource(html="<p>a" * 60_000))
    assert (refused.value.code, refused.value.field) == ("template_limit", "text")
    assert compile_template(TemplateSource(html="<p>a" * 60_000, text="a")).render_email({}).text == "a"
    loop = compile_template(TemplateSource(html="{% for i in (1..10000) %}<p><b><i><u><s>a</p>{% endfor %}"))
    with pytest.raises(TemplateError) as refused:
        loop.render_email({})
    assert (refused.value.code, refused.value.field) == ("template_limit", "text")
