"""The suppression list through the gateway: for administrators only, audited, and 503 while the e-mail service is down."""

PATH, GONE = "/api/v1/suppressions", f"/api/v1/suppressions/{'0' * 64}"


async def test_an_administrator_reads_and_changes_the_list_and_it_is_noted(gateway) -> None:
    admin = gateway.token()
    listed = (await gateway.http.get(PATH, params={"page": 2, "limit": 10}, headers=admin)).json()
    assert (listed["data"], listed["meta"]["page"]) == ([], 2)
    assert "suppressions 10" in gateway.peers.asked
    added = await gateway.http.post(PATH, json={"emails": ["ada@example.com"]}, headers=admin)
    assert added.json()["data"] == {"added": 1}
    events = (await gateway.http.get("/api/v1/audit", params={"action": "suppressions.added"}, headers=admin)).json()
    assert [event["after"] for event in events["data"]] == [{"reason": "manual", "added": 1}]
    for refused in (await gateway.http.get(GONE, headers=admin), await gateway.http.delete(GONE, headers=admin)):
        assert (refused.status_code, refused.json()["error"]) == (404, "suppression_not_found")
    bounce = await gateway.http.post("/api/v1/bounces", content=b"Subject: Hi\r\n\r\n", headers=admin)
    assert bounce.json()["data"] == {"result": "unrecognised"}
    empty = await gateway.http.post("/api/v1/bounces", headers=admin)
    assert (empty.status_code, empty.json()["data"]["errors"][0]["field"]) == (422, "body")


async def test_nobody_else_sees_it(gateway) -> None:
    for method, path in (("GET", PATH), ("POST", PATH), ("GET", GONE), ("DELETE", GONE), ("POST", "/api/v1/bounces")):
        assert (await gateway.http.request(method, path, headers=gateway.token(role="user"))).status_code == 403


async def test_while_no_worker_answers_it_is_a_503_and_nothing_is_noted(gateway) -> None:
    gateway.peers.down = True
    for method, path in (("GET", PATH), ("POST", PATH), ("DELETE", GONE), ("POST", "/api/v1/bounces")):
        answer = await gateway.http.request(method, path, json={"emails": ["ada@example.com"]}, headers=gateway.token())
        assert (answer.status_code, answer.json()["error"]) == (503, "dependency_unavailable"), path
