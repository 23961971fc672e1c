"""Every operation of the gateway withstands hostile input."""

from api_gateway.routers.proxy import FORWARDED
from testkit.hostile import operations_of, withstand


async def test_no_operation_answers_5xx(gateway) -> None:
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    accepted = (await gateway.send(user_id=str(user.id))).json()["data"]["notification_id"]
    operations = [  # forwarded operations are tested in the services that answer them
        one for one in operations_of(gateway.app) if not one.path.startswith(FORWARDED)
    ]
    assert len(operations) > 10
    known = {"notification_id": accepted, "channel": "email"}
    await withstand(gateway.app, gateway.token(), operations, known=known, examples=600)
