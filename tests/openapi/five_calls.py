"""The README's five calls through the client that openapi-python-client made: `five_calls.py URL EMAIL PASSWORD`.

mypy reads it before it runs: `assert_type` fails where an answer is Any, or another than the document says.
"""

import json
import sys
from typing import TypeVar, assert_type
from uuid import UUID, uuid4

from gateway_client.api.auth import log_in
from gateway_client.api.notifications import create_notification, get_notification
from gateway_client.api.templates import create_template
from gateway_client.api.users import create_user
from gateway_client.client import AuthenticatedClient, Client
from gateway_client.models import (
    AcceptedEnvelope,
    CreateTemplate,
    LoginRequest,
    LoginViewEnvelope,
    NewPreferences,
    NotificationDetailEnvelope,
    NotificationRequest,
    NotificationRequestNotificationType,
    NotificationRequestVariables,
    Refusal,
    SignUp,
    Status,
    TemplateAnswerEnvelope,
    UserViewEnvelope,
)

Success = TypeVar("Success")


def success(kind: type[Success], answered: object) -> Success:
    assert isinstance(answered, kind), answered
    return answered


def main(url: str, email: str, password: str) -> None:
    public, mark = Client(base_url=url), uuid4().hex

    signing_up = SignUp(
        name="Grace Hopper",
        email=f"grace+{mark}@example.com",
        password="SecurePass123!",
        push_token=f"fcm_token_{mark}",
        preferences=NewPreferences(email=True, push=True),
    )
    user = success(UserViewEnvelope, create_user.sync(client=public, body=signing_up)).data
    assert_type(user.id, UUID)

    logging_in = LoginRequest(email=email, password=password)
    login = success(LoginViewEnvelope, log_in.sync(client=public, body=logging_in)).data
    assert_type(login.access_token, str)
    client = AuthenticatedClient(base_url=url, token=login.access_token)

    new = CreateTemplate(
        code=f"order_shipped_{mark}",
        name="Order shipped",
        subject="Your order {{ order.id }} is on its way",
        content="<p>Hello {{ name }}</p>",
    )
    template = success(TemplateAnswerEnvelope, create_template.sync(client=client, body=new)).data
    assert_type(template.variables, list[str])

    variables = NotificationRequestVariables.from_dict({"name": "Grace", "order": {"id": "A-7"}})
    wanted = NotificationRequest(
        notification_type=NotificationRequestNotificationType.EMAIL,
        user_id=user.id,
        template_code=template.code,
        priority=8,
        variables=variables,
        request_id=mark,
    )
    accepted = success(AcceptedEnvelope, create_notification.sync(client=client, body=wanted)).data
    assert_type(accepted.notification_id, UUID)
    assert_type(accepted.status, Status)

    told = get_notification.sync(accepted.notification_id, client=client)
    notification = success(NotificationDetailEnvelope, told).data
    assert_type(notification.timeline[0].status, str)
    assert notification.request_id == mark

    missing = success(Refusal, get_notification.sync(user.id, client=client))
    assert_type(missing.error, str)
    assert missing.error == "notification_not_found"

    sys.stdout.write(json.dumps({"notification_id": str(accepted.notification_id)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
