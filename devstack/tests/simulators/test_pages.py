import json
import re

import pytest

from devstack.simulators.pages.layout import markup
from devstack.simulators.pages.listing import PAGE_SIZE

ATTACK = "<script>alert(1)</script>"
MAIL = (
    f"From: {ATTACK} <a@example.com>\r\nTo: b@example.com\r\nSubject: {ATTACK}\r\nX-{ATTACK}: {ATTACK}\r\n"
    "Content-Type: multipart/alternative; boundary=x\r\n\r\n"
    f"--x\r\nContent-Type: text/plain\r\n\r\nplain {ATTACK}\r\n"
    "--x\r\nContent-Type: text/html\r\n\r\n"
    f"<p>rich {ATTACK}</p><a href='https://example.com/?a=1&amp;b=2'>go</a>"
    "<a href='javascript:alert(1)'>no</a>\r\n--x--\r\n"
).encode()


@pytest.fixture
def email(inbox):
    return inbox.take_email(envelope_from=ATTACK, recipient=f"{ATTACK}@example.com", raw=MAIL)


@pytest.fixture
def push(inbox):
    message = {
        "notification": {"title": ATTACK, "body": ATTACK, "image": "javascript:alert(1)"},
        "data": {"link": "javascript:alert(1)", ATTACK: ATTACK},
    }
    raw = json.dumps(message)
    return inbox.take_push(token=ATTACK, raw=raw, correlation_id=ATTACK, request_id=ATTACK)


async def test_nothing_in_a_message_becomes_markup(http, email, push):
    pages = [f"/emails/{email.id}?view={view}" for view in ("html", "text", "source")]
    for page in ["/", "/?kind=push", f"/?recipient={ATTACK}", f"/pushes/{push.id}", *pages]:
        answer = await http.get(page)
        assert answer.status_code == 200
        assert "&lt;script&gt;" in answer.text
        assert re.findall("<script[^>]*>", answer.text) == ['<script src="/static/inbox.js" defer>']
        assert 'href="javascript:' not in answer.text
        assert 'src="javascript:' not in answer.text


async def test_the_html_of_a_mail_is_shown_where_nothing_can_run(http, email):
    page = (await http.get(f"/emails/{email.id}")).text
    assert f'sandbox="" referrerpolicy="no-referrer" src="/emails/{email.id}/html"' in page
    frame = await http.get(f"/emails/{email.id}/html")
    assert ATTACK in frame.text
    policy = frame.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "script" not in policy


async def test_pages_load_nothing_from_elsewhere_and_run_only_their_own_script(http, email):
    policy = (await http.get("/")).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    page = (await http.get("/")).text
    assert not re.search(r'(src|href)="(https?:)?//', page)
    for asset in re.findall(r'"(/static/[^"]+)"', page):
        assert (await http.get(asset)).status_code == 200


async def test_links_of_a_mail_can_be_followed_from_outside_the_frame(http, email):
    page = (await http.get(f"/emails/{email.id}")).text
    assert '<a href="https://example.com/?a=1&amp;b=2" target="_blank" rel="noopener noreferrer">' in page


async def test_text_and_source_are_a_tab_away(http, email):
    assert "plain &lt;script&gt;" in (await http.get(f"/emails/{email.id}?view=text")).text
    assert "boundary=x" in (await http.get(f"/emails/{email.id}?view=source")).text


async def test_a_mail_with_no_html_opens_as_text(http, inbox):
    email = inbox.take_email(envelope_from="a@x.example", recipient="b@x.example", raw=b"Subject: s\r\n\r\njust text")
    assert "<pre>just text</pre>" in (await http.get(f"/emails/{email.id}")).text
    assert "no html part" in (await http.get(f"/emails/{email.id}?view=html")).text


async def test_a_push_is_shown_with_its_link_and_the_address_of_its_picture(http, inbox):
    raw = (
        '{"notification": {"title": "T", "body": "B", "image": "https://example.com/i.png"}, '
        '"data": {"link": "https://e.x/", "order_id": "A-1"}, "android": {"notification": {"notification_count": 3}}}'
    )
    push = inbox.take_push(token="t", raw=raw)
    page = (await http.get(f"/pushes/{push.id}")).text
    shown = (">T</strong>", ">B</span>", 'href="https://example.com/i.png"', 'href="https://e.x/"', ">3</span>")
    for part in (*shown, "<dt>order_id</dt><dd>A-1</dd>"):
        assert part in page
    assert 'src="https://example.com' not in page


async def test_an_empty_inbox_says_how_to_send_and_who_misbehaves(http):
    page = (await http.get("/?kind=push")).text
    assert "Nothing has been sent yet" in page
    assert "curl -X POST" in page
    assert "&quot;notification_type&quot;: &quot;push&quot;" in page
    for name in ("bounce@", "drop@", "unregistered…", "quota-N…"):
        assert f"<code>{name}</code>" in page


async def test_long_lists_come_a_page_at_a_time(http, inbox):
    for number in range(PAGE_SIZE + 5):
        inbox.take_email(envelope_from="a@x.example", recipient=f"user{number}@x.example", raw=b"Subject: s\r\n\r\n")
    first = (await http.get("/")).text
    assert first.count('class="row"') == PAGE_SIZE
    older = re.search(r'class="older" href="([^"]+)"', first)[1].replace("&amp;", "&")
    second = (await http.get(older)).text
    assert second.count('class="row"') == 5
    assert "user0@x.example" in second


async def test_the_list_can_be_searched_by_recipient(http, inbox):
    for recipient in ("ada@x.example", "alan@x.example"):
        inbox.take_email(envelope_from="a@x.example", recipient=recipient, raw=b"Subject: s\r\n\r\n")
    page = (await http.get("/?recipient=ADA")).text
    assert "ada@x.example" in page
    assert "alan@x.example" not in page


@pytest.mark.parametrize("path", ["/emails/99", "/emails/99/html", "/pushes/99"])
async def test_a_message_that_is_not_there_is_404(http, path):
    assert (await http.get(path)).status_code == 404


def test_templates_escape_what_they_are_given():
    assert markup('<a title="{x}">', x="\"'<&") == '<a title="&quot;&#x27;&lt;&amp;">'
