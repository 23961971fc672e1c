"""Who an e-mail is from: the template's sender, then the application's, then the deployment's, field by field."""

import pytest

from chassis.security import Sender
from contracts.senders import SenderDomainNotAllowed, check_domain, sender_for

ORDERS = Sender("Orders", "orders@example.com", "help@example.com")


@pytest.mark.parametrize(
    ("template", "application", "counts"),
    [
        (None, None, None),
        (None, ORDERS, ORDERS),
        (ORDERS, None, ORDERS),
        (Sender(from_name="Billing"), ORDERS, Sender("Billing", "orders@example.com", "help@example.com")),
        (
            Sender(None, "bills@example.com", "b@example.com"),
            ORDERS,
            Sender("Orders", "bills@example.com", "b@example.com"),
        ),
    ],
)
def test_the_templates_fields_come_first(
    template: Sender | None, application: Sender | None, counts: Sender | None
) -> None:
    assert sender_for(template, application) == counts


def test_only_the_deployments_domains_may_be_sent_from() -> None:
    check_domain(None, ())
    check_domain("a@example.com", ("example.com",))
    for allowed in ((), ("other.example.com",)):
        with pytest.raises(SenderDomainNotAllowed):
            check_domain("a@example.com", allowed)
