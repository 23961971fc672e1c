"""What `/health` learns of the mail server, and how little it bothers it."""

import pytest

from chassis.process.breaker import BreakerPolicy, CircuitBreaker
from email_service.senders.smtp.connector import ProviderPaused, SmtpConnector, SmtpProbe
from email_service.senders.smtp.dialogue import NoConnection
from email_service.settings import EmailSettings


def probe(port: int, breaker: CircuitBreaker | None = None) -> SmtpProbe:
    settings = EmailSettings(_env_file=None, smtp_host="127.0.0.1", smtp_port=port, smtp_connect_seconds=2)
    return SmtpProbe(SmtpConnector(settings.providers["smtp"], settings), breaker or CircuitBreaker("smtp"))


async def test_a_server_that_greets_is_up_and_asked_once_in_a_while(server, until):
    asking = probe(server.port)
    for _ in range(3):
        await asking.check()
    await until(lambda: not server.open)
    assert server.steps(1) == ["greeting", "EHLO", "QUIT"]
    assert server.connections == 1


async def test_a_server_that_does_not_is_down_and_asked_once_in_a_while_too(server):
    server.script["greeting"] = ["421 4.3.2 closed"] * 5
    asking = probe(server.port)
    for _ in range(3):
        with pytest.raises(NoConnection):
            await asking.check()
    assert server.connections == 1


async def test_while_the_breaker_is_open_the_server_is_left_alone(server):
    breaker = CircuitBreaker("smtp", policy=BreakerPolicy(minimum_calls=1))
    breaker.allow().failure()
    with pytest.raises(ProviderPaused):
        await probe(server.port, breaker).check()
    assert server.connections == 0
