import pytest


@pytest.fixture
def filled(inbox):
    for number, recipient in enumerate(("ada@x.example", "alan@x.example", "ada@x.example")):
        raw = b"Message-ID: <%d@x>\r\nSubject: S%d\r\n\r\nbody" % (number, number)
        inbox.take_email(envelope_from="a@x.example", recipient=recipient, raw=raw)
    inbox.take_push(token="device", raw='{"notification": {"title": "T"}}', request_id="r1")
    return inbox


async def test_messages_come_newest_first_over_both_kinds(http, filled):
    answer = (await http.get("/api/messages?limit=3")).json()
    assert answer["total"] == 4
    assert [(message["kind"], message["id"]) for message in answer["messages"]] == [
        ("push", 4),
        ("email", 3),
        ("email", 2),
    ]


async def test_messages_can_be_narrowed_to_a_kind_and_a_recipient(http, filled):
    answer = (await http.get("/api/messages?kind=email&recipient=Ada@x.example&limit=1")).json()
    assert answer["total"] == 2
    assert [message["subject"] for message in answer["messages"]] == ["S2"]
    assert (await http.get("/api/messages?kind=push")).json()["total"] == 1


async def test_a_message_can_be_read_in_full(http, filled):
    email = (await http.get("/api/messages/1")).json()
    assert (email["message_id"], email["text"], email["size"]) == ("<0@x>", "body", 38)
    assert ["Subject", "S0"] in email["headers"]
    push = (await http.get("/api/messages/4")).json()
    assert (push["kind"], push["title"], push["raw"]) == ("push", "T", '{"notification": {"title": "T"}}')
    assert (await http.get("/api/messages/99")).status_code == 404


async def test_arrivals_are_all_there_in_order_and_can_be_followed(http, filled):
    answer = (await http.get("/api/arrivals?kind=email")).json()
    assert (answer["taken"], answer["refused"]) == (3, 0)
    assert [row["key"] for row in answer["arrivals"]] == ["<0@x>", "<1@x>", "<2@x>"]
    assert [row["id"] for row in (await http.get("/api/arrivals?kind=email&after=2")).json()["arrivals"]] == [3]
    assert (await http.get("/api/arrivals?kind=push")).json()["arrivals"][0]["key"] == "r1"


async def test_clearing_empties_the_inbox(http, filled):
    assert (await http.delete("/api/messages")).status_code == 204
    assert (await http.get("/api/messages")).json() == {"total": 0, "messages": []}


async def test_health_tells_the_counts(http, filled):
    assert (await http.get("/health")).json() == {"status": "healthy", "emails": 3, "pushes": 1}


@pytest.mark.parametrize("query", ["kind=fax", "limit=0", "limit=1001"])
async def test_a_query_that_makes_no_sense_is_422(http, query):
    assert (await http.get(f"/api/messages?{query}")).status_code == 422
