"""What a reason means, what to do about it, and whether another try can help.

In short what docs/operations/runbook.md, runbook-services.md and troubleshooting.md say.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Advice:
    """`again`: another try may succeed once the cause is removed."""

    meaning: str
    todo: str
    again: bool = True


BAD_ADDRESS = "Nothing. Correct the address at the user; more tries to a dead address harm the sender's reputation."
RELEASE = "Release the hold; it goes on by itself."
ADVICE = {
    "bounced": Advice("The mail came back: the address does not exist or refuses mail for good.", BAD_ADDRESS, again=False),
    "complained": Advice("The recipient marked it as unwanted.", "Nothing. The address gets no more mail.", again=False),
    "dead": Advice("The address or device no longer exists.", BAD_ADDRESS, again=False),
    "invalid_address": Advice("The address is not one that mail can be sent to.", BAD_ADDRESS, again=False),
    "no_recipient": Advice("No address or device was left to send to.", "See the user's devices and address.", again=False),
    "invalid_token": Advice(
        "The device no longer exists: the app was removed, or registered anew.",
        "Nothing. The device was removed; the app registers again when it starts.",
        again=False,
    ),
    "bad_device_token": Advice(
        "Apple does not know the token in the environment that was tried: it may belong to the other one.",
        "Compare the device's environment (see the user) with the app's build. The device was kept.",
    ),
    "invalid_keys": Advice(
        "The browser's keys are not valid.", "The page has to subscribe the browser again.", again=False
    ),
    "endpoint_refused": Advice(
        "The push service's host is not one that is allowed.", "Compare WEB_PUSH_HOSTS with the subscription's host."
    ),
    "sender_mismatch": Advice(
        "The device belongs to another project, key or app than ours.",
        "Compare the app's project with the service account (FCM), its key with VAPID's, or its bundle id with APNS_TOPIC.",
    ),
    "payload_too_large": Advice(
        "The message is larger than the provider allows.", "Shorten the template's title, body or data, then try again."
    ),
    "rejected": Advice(
        "The mail server refused the message for good, not the address.",
        "Read its words: content, size or policy. Correct the template or the settings, then try again.",
    ),
    "render_failed": Advice(
        "The template does not fit the values that came with the notification.",
        "Correct the template, or activate an earlier version, then try again.",
    ),
    "template_gone": Advice("The template's version is no longer there.", "Create the template again, then try again."),
    "template_not_found": Advice("There was no such template.", "Create the template, then try again."),
    "template_not_for_channel": Advice(
        "The template has no part for this channel.", "Add the part to the template, then try again."
    ),
    "missing_variables": Advice(
        "The caller left out values that the template needs.",
        "Change the template so that it does without, then try again; or let the caller send a new notification.",
    ),
    "user_not_found": Advice("There was no such user.", "Nothing here: the caller named the wrong user.", again=False),
    "attachment_gone": Advice("An attachment was deleted before.", "The caller has to send it anew.", again=False),
    "exhausted": Advice(
        "The provider said “not now” for longer than the tries last, or something failed again and again.",
        "Read the provider's words. When it works again, try a few, see them sent, then try the rest.",
    ),
    "invalid_sender": Advice(
        "The sender's address is not one that may be used.", "Correct FROM_EMAIL or the application's sender, then try again."
    ),
    "reported_failed": Advice("The provider reported the failure later.", "Read the provider's words, or ask its log."),
    "simulated_bounce": Advice("A test key's simulated failure.", "Nothing: it is what the test asked for."),
    "held": Advice("It is held. It was tried before, so it waits at its worker.", RELEASE, again=False),
    "provider_held": Advice("The provider is held: workers do not call it.", RELEASE, again=False),
    "hold_cancelled": Advice("It was held, and the hold was cancelled.", "Nothing: somebody decided it.", again=False),
    "opted_out": Advice("The user does not want this channel.", "Nothing: it is the user's decision.", again=False),
    "unsubscribed": Advice("The user has unsubscribed from such mail.", "Nothing: it is the user's decision.", again=False),
    "no_push_token": Advice("The user has no device.", "The app registers its device when it starts.", again=False),
    "address_suppressed": Advice(
        "Mail to this address bounced or was unwanted before, so none is sent.",
        "If the address works again, an administrator removes it from the suppressed addresses.",
        again=False,
    ),
    "user_gone": Advice("The user was deleted.", "Nothing.", again=False),
    "recipient_gone": Advice("The device was removed before its turn came.", "Nothing.", again=False),
    "background_unsupported": Advice("Browsers show every message; this one has nothing to show.", "Nothing.", again=False),
    "worker_lost": Advice("A worker ended while it was sending.", "Ask the provider's log whether it has the message."),
}  # fmt: skip
OTHERWISE = Advice(
    "It ended for this reason.", "Read the provider's words and the runbook; remove the cause, then try again."
)


def advice_on(reason: str | None) -> Advice:
    return ADVICE.get(reason or "", OTHERWISE)
