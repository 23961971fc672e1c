"""User ids of the contacts in a file."""

import json

from clients.python.tests.miniature import Gateway, envelope
from notifications import Notifications
from notifications.cli.contacts import ContactIds
from testkit.faulty_http import Reply


def test_a_batch_is_looked_up_in_one_call_and_nobody_twice(gateway: Gateway, client: Notifications) -> None:
    contacts = ContactIds(client)
    gateway.reply = Reply(200, envelope({"contacts": [], "not_found": [f"c-{number}" for number in range(500)]}))
    contacts.look_up(f"c-{number}" for number in (*range(500), 0))
    contacts.look_up(["c-499", "c-0"])
    assert [len(json.loads(asked.body)["external_ids"]) for asked in gateway.asked] == [500]
    assert contacts["c-7"] is None
