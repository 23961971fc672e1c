"""The suppression list as the gateway reads and changes it."""

from chassis.security import ServiceTokens
from chassis.security.service_keys import development_key
from contracts.addresses import fingerprint
from contracts.services import API_GATEWAY, EMAIL_SERVICE


async def test_addresses_are_added_once_listed_newest_first_and_get_no_mail(world, message, lookups, inbox, until):
    token = ServiceTokens(development_key(API_GATEWAY)).issue(EMAIL_SERVICE)
    path = "/internal/suppressions"
    async with world.worker() as app, world.http(app) as http:
        http.headers["Authorization"] = f"Bearer {token}"
        new = {"emails": ["Ada@Example.com", "ada@example.com", "bo@example.com"], "reason": "manual"}
        assert (await http.post(path, json=new)).json()["data"] == {"added": 2}
        assert (await http.post(path, json={**new, "reason": "complained"})).json()["data"] == {"added": 0}
        assert (await http.post(path, json={"emails": ["cy@example.com"], "reason": "bounced"})).json()["data"][
            "added"
        ] == 1
        listed = (await http.get(path, params={"limit": 1, "offset": 0})).json()["data"]
        assert (listed["total"], listed["entries"][0]["fingerprint"]) == (3, fingerprint("cy@example.com"))
        manual = (await http.get(path, params={"limit": 20, "offset": 0, "reason": "manual"})).json()["data"]
        assert {(one["masked"].lower(), one["origin"]) for one in manual["entries"]} == {
            ("a***@example.com", "api"),
            ("b***@example.com", "api"),
        }
        exported = {"fingerprint": fingerprint("di@example.com"), "masked": "d***@example.com"}
        assert (await http.post(path, json={"exported": [exported]})).json()["data"] == {"added": 1}
        assert (await http.get(f"{path}/{exported['fingerprint']}")).json()["data"]["masked"] == "d***@example.com"
        both = {"emails": ["di@example.com"], "exported": [exported]}
        for wrong in ({"emails": []}, {"emails": ["nobody"]}, {"emails": ["a@example.com"] * 1_001}, {}, both):
            assert (await http.post(path, json=wrong)).status_code == 422
        sent = message(lookups.add_user("ada@example.com"))
        await world.publish(sent)
        await until(lambda: "suppressed" in world.statuses(sent.notification_id))
        assert inbox.emails.total == 0
