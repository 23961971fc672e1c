"""Workers killed at each step of a delivery (faults 1 to 3)."""

from tests.faults.lab import Lab


def test_1_killed_after_the_providers_250_before_the_ledger_has_it(lab: Lab) -> None:
    again, never = ((lab.user(), guarantee) for guarantee in ("at_least_once", "at_most_once"))
    lab.provider(smtp="stall")
    ids = [lab.system.send("email", user, delivery_guarantee=guarantee) for user, guarantee in (again, never)]
    lab.until(lambda: {lab.ledger(one) for one in ids} == {"sending"}, "both with the provider")
    lab.until(lambda: all(lab.copies()[one] == 1 for one in ids), "both taken")
    with lab.holding("email-service", "LOCK TABLE email_deliveries IN SHARE ROW EXCLUSIVE MODE"):
        lab.provider()  # the 250 arrives; writing it down waits for the lock
        lab.kill("email-service")
        lab.cut_off("email-service")
    lab.start_again("email-service")
    lab.prove(1, "worker killed after the 250, before its ledger has it", ids, ambiguous=ids)
    assert [lab.status(one) for one in ids] == ["sent", "unknown"]
    assert [lab.copies()[one] for one in ids] == [2, 1]


def test_2_killed_after_the_ledger_has_it_before_the_acknowledgement(lab: Lab) -> None:
    user = lab.user()
    lab.provider(smtp="stall")
    name = lab.system.send("email", user)
    lab.until(lambda: lab.ledger(name) == "sending", "with the provider")
    lab.freeze_rabbit()  # neither a report nor an acknowledgement gets through
    lab.provider()
    lab.until(lambda: lab.ledger(name) == "sent", "in the ledger")
    lab.kill("email-service")
    lab.thaw_rabbit()
    lab.start_again("email-service")
    lab.prove(2, "worker killed after its ledger has it, before the ack", [name])


def test_3_killed_before_it_sends(lab: Lab) -> None:
    user = lab.user()
    lab.until_ended([lab.system.send("email", user)])  # the gateway knows the template; a new worker does not
    lab.system.stop_service("email-service")
    lab.start_again("email-service")
    lab.freeze("template-service")  # the look-up hangs: in hand, not claimed, and nothing sent yet
    name = lab.system.send("email", user)
    lab.until(lambda: lab.status(name) == "queued" and lab.depth("email.queue") == 0, "in the worker's hand")
    assert lab.ledger(name) is None
    lab.kill("email-service")
    lab.thaw_all()
    lab.start_again("email-service")
    lab.prove(3, "worker killed before DATA", [name])
    assert lab.ambiguous([name]) == {}
