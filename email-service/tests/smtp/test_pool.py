"""Connections are kept, replaced when dead, and never shared or reused in an uncertain state."""

import asyncio

from delivery.outcomes import ProviderDown, RetryLater, Sent

TRANSACTION = ["MAIL", "RCPT", "DATA", "DOT"]
HANG_UP, SILENCE = "", None


async def test_messages_one_after_the_other_use_one_connection(server, senders, envelope):
    sender = senders(server.port)
    assert [type(await sender.send(envelope())) for _ in range(3)] == [Sent] * 3
    assert server.steps(1) == ["greeting", "EHLO", *TRANSACTION * 3]


async def test_messages_at_the_same_time_have_a_connection_each_and_keep_them(server, senders, envelope):
    sender = senders(server.port)
    for _ in range(2):
        await asyncio.gather(*(sender.send(envelope()) for _ in range(5)))
    assert (server.connections, len(server.messages)) == (5, 10)


async def test_a_kept_connection_that_is_dead_is_replaced_in_silence(server, senders, envelope, until):
    sender = senders(server.port)
    await sender.send(envelope())
    server.drop_all()
    await until(lambda: not server.open)
    assert isinstance(await sender.send(envelope()), Sent)
    assert server.connections == 2


async def test_a_kept_connection_that_dies_at_mail_is_replaced_in_silence(server, senders, envelope):
    sender = senders(server.port)
    await sender.send(envelope())
    server.script["MAIL"] = [HANG_UP]
    assert isinstance(await sender.send(envelope()), Sent)
    assert (server.connections, len(server.messages)) == (2, 2)


async def test_a_kept_connection_that_the_server_closes_with_421_is_replaced_in_silence(server, senders, envelope):
    sender = senders(server.port)
    await sender.send(envelope())
    server.script["MAIL"] = ["421 4.4.2 idle too long"]
    assert isinstance(await sender.send(envelope()), Sent)
    assert server.connections == 2


async def test_a_connection_is_replaced_once_and_not_for_ever(server, senders, envelope):
    sender = senders(server.port)
    await sender.send(envelope())
    server.script["MAIL"] = ["421 4.3.2 closing"] * 5
    assert isinstance(await sender.send(envelope()), ProviderDown)
    assert server.connections == 2


async def test_a_connection_that_dies_after_mail_is_not_tried_again_by_itself(server, senders, envelope):
    sender = senders(server.port)
    await sender.send(envelope())
    server.script["RCPT"] = [HANG_UP]
    assert isinstance(await sender.send(envelope()), RetryLater)
    assert (server.connections, len(server.messages)) == (1, 1)


async def test_a_connection_that_was_lost_is_not_kept(server, senders, envelope):
    sender = senders(server.port, smtp_final_dot_seconds=0.1)
    server.script["DOT"] = [SILENCE]
    await sender.send(envelope())
    assert isinstance(await sender.send(envelope()), Sent)
    assert server.connections == 2


async def test_after_a_refused_recipient_the_transaction_is_taken_back(server, senders, envelope):
    sender = senders(server.port)
    server.script["RCPT"] = ["550 5.1.1 unknown"]
    await sender.send(envelope())
    await sender.send(envelope())
    ahead = ["DATA"] if server.pipelining else []
    assert server.steps(1)[2:] == ["MAIL", "RCPT", *ahead, "RSET", *TRANSACTION]


async def test_after_a_refused_message_there_is_nothing_to_take_back(server, senders, envelope):
    sender = senders(server.port)
    server.script["DOT"] = ["554 5.7.1 spam"]
    await sender.send(envelope())
    await sender.send(envelope())
    assert server.steps(1)[2:] == TRANSACTION * 2


async def test_a_cancelled_send_does_not_leave_its_answer_to_the_next(server, senders, envelope, until):
    sender = senders(server.port)
    server.script["DOT"] = ["LATE 250 2.0.0 Ok: queued as FIRST1"]
    sending = asyncio.create_task(sender.send(envelope()))
    await until(lambda: server.messages)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    assert await sender.send(envelope()) == Sent("4F2A77")
    assert server.steps(1)[-1] == "DOT"
    assert server.connections == 2


async def test_an_idle_connection_is_closed_politely(server, senders, envelope, until):
    sender = senders(server.port, smtp_idle_seconds=0.05)
    await sender.send(envelope())
    await until(lambda: not server.open)
    assert server.steps(1)[-1] == "QUIT"
    assert isinstance(await sender.send(envelope()), Sent)


async def test_no_more_are_kept_than_the_pools_size(server, senders):
    pool = senders.pool(server.port, worker_concurrency=2)
    for connection in [await pool.connect() for _ in range(3)]:
        pool.give_back(connection)
    assert len(pool) == 2


async def test_a_closed_pool_keeps_nothing(server, senders, envelope, until):
    sender = senders(server.port)
    await sender.send(envelope())
    await sender.close()
    await until(lambda: not server.open)
    await sender.send(envelope())
    await until(lambda: not server.open)
    assert server.connections == 2
