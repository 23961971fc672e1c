"""Every operation of the template service withstands hostile input from clients and from other services."""

from testkit.hostile import Operation, operations_of, withstand

REF = {"code": "welcome_email", "language": "en", "version": 1}
INTERNAL = [
    Operation("GET", "/internal/templates/{code}", ("code",), ("language", "version")),
    Operation("GET", "/internal/templates/{code}/active", ("code",)),
    Operation("POST", "/internal/templates/find", body={"active": ["x"], "outlines": [REF], "whole": [REF]}),
]


async def test_no_operation_answers_5xx(app, admin, access_token, service_token, welcome) -> None:
    assert (await admin.post("/api/v1/templates", json=welcome)).status_code == 201
    known = {"code": "welcome_email", "version": "1"}
    caller = {"Authorization": f"Bearer {access_token(role='admin')}"}
    await withstand(app, caller, operations_of(app), known=known, examples=600)
    service = {"Authorization": f"Bearer {service_token()}"}
    await withstand(app, service, INTERNAL, known=known, examples=100)
