"""What leaves a worker: signed by the sender's domain, and with a return path that names the notification."""

from pydantic import SecretStr

from contracts.addresses import fingerprint
from email_service.bounces.return_path import BounceToken
from testkit.dkim_keys import inline, rsa, verdicts


async def test_a_mail_is_signed_as_it_arrives_and_comes_back_to_an_address_of_its_own(
    world, message, lookups, inbox, until
):
    keys = SecretStr(f"example.org:s1:{inline(rsa())}")
    changed = {"dkim_keys": keys, "bounce_domain": "bounces.example.org"}
    lookups.add_template("dots", subject="Dots \N{GRINNING FACE}", text=".\n..\nend\n")
    settings = world.settings.model_copy(update=changed)
    async with world.worker(**changed):
        sent = message(lookups.add_user("ada@example.com"))
        sent = sent.model_copy(update={"template": sent.template.model_copy(update={"code": "dots"})})
        await world.publish(sent)
        await until(lambda: inbox.emails.total == 1)
    [mail] = inbox.emails
    assert verdicts(mail.raw, {key.record_name: key.record for key in settings.signing_keys.all}) == [True]
    token = settings.return_path.read(mail.envelope_from)
    assert token == BounceToken(sent.notification_id, fingerprint("ada@example.com")[:20])


async def test_without_settings_a_mail_leaves_as_it_always_did(world, message, lookups, inbox, until):
    async with world.worker():
        await world.publish(message(lookups.add_user("ada@example.com")))
        await until(lambda: inbox.emails.total == 1)
    [mail] = inbox.emails
    assert mail.envelope_from == "sender@example.org"
    assert b"DKIM" not in mail.raw
