"""Whom a notification is for, in words, as far as the reader may know."""

from dataclasses import dataclass

from notifications import Notification


@dataclass(frozen=True, slots=True)
class Whom:
    """`name` and `at`: the address, masked, or the devices. `is_user`: there is a user with the id `user_id`."""

    name: str = ""
    at: str = ""
    is_user: bool = True

    @property
    def known(self) -> bool:
        return bool(self.name or self.at)


def whom(n: Notification) -> Whom:
    if (shown := n.recipient) is None:  # of a gateway of the previous release
        return Whom()
    devices = {None: "", 1: "1 device"}.get(shown.devices, f"{shown.devices} devices")
    return Whom(shown.name or "", shown.email or devices or shown.topic or "", shown.is_user)
