"""Audit events in words: who, what, to whom, and each changed value before and after."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any, Literal, get_args

from pydantic import StringConstraints

from console.services.finding import Kind, kind_of
from console.services.names import look_up
from console.services.searching import SearchForm
from console.services.words import plain
from notifications import AsyncNotifications, AuditEvent

Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=320)]
Service = Literal["api-gateway", "user-service", "template-service"]
SERVICES: Sequence[str] = get_args(Service)
PAGES = {
    "user": "/users/{}",
    "application": "/applications/{}",
    "key": "/applications/{}",  # as an actor: the application whose key was used
    "template": "/templates/{}",
    "notification": "/notifications/{}",
    "suppressions": "/suppressions",
}
ACTORS = {"command": "a command on a server", "anonymous": "a stranger", "key": "application", "service": "service"}
AUDIT_FINGERPRINT = "hmac:"  # the beginning of a value that the audit trail does not keep itself
MAX_NAMES = 20  # looked up for one page
PAGE = 50


class ChangeSearch(SearchForm):
    """The search form for audit events. The dates are whole days, in UTC, both included."""

    who: Text = ""
    action: Text = ""
    target: Text = ""
    service: Service | Literal[""] = ""
    since: date | Literal[""] = ""
    until: date | Literal[""] = ""
    before: Text = ""

    @property
    def narrowed(self) -> bool:
        return any(value != "" for name, value in self if name != "before")

    @property
    def end(self) -> str | None:
        return str(self.until + timedelta(days=1)) if self.until != "" and self.until < date.max else None


@dataclass(frozen=True, slots=True)
class Thing:
    """An actor or a target: `kind` and `name` as words, the page that shows it, and the whole id."""

    kind: str
    name: str
    page: str
    whole: str


@dataclass(frozen=True, slots=True)
class Difference:
    """None: there was no value. A list of values counts as one."""

    field: str
    before: str | None
    after: str | None


def differences_of(event: AuditEvent) -> Sequence[Difference]:
    before, after = _flat(event.before), _flat(event.after)
    names = list(dict.fromkeys((*before, *after)))
    return [Difference(name, before.get(name), after.get(name)) for name in names]


def _flat(values: Mapping[str, Any]) -> dict[str, str | None]:
    """`{"sender": {"from_name": "A"}}` → `{"sender.from_name": "A"}`."""
    made: dict[str, str | None] = {}
    for name, value in values.items():
        if isinstance(value, dict) and value:
            made |= {f"{name}.{inner}": one for inner, one in _flat(value).items()}
        else:
            made[name] = _shown(value)
    return made


def _shown(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = ", ".join(map(plain, value)) if isinstance(value, list) else plain(value)
    return f"fingerprint …{text[-8:]}" if text.startswith(AUDIT_FINGERPRINT) else text or "(empty)"


def thing_of(whole: str, names: Mapping[str, str]) -> Thing:
    """`user:<id>` and the like. `names` are those that are known."""
    kind, _, name = whole.partition(":")
    page = PAGES[kind].format(name) if kind in PAGES and (name or kind == "suppressions") else ""
    known = names.get(whole) or (f"…{name[-8:]}" if len(name) == 36 or name.startswith(AUDIT_FINGERPRINT) else name)
    return Thing(ACTORS.get(kind, kind.replace("_", " ")), known, page, whole)


async def names_of(api: AsyncNotifications, events: Iterable[AuditEvent]) -> Mapping[str, str]:
    """Names of the users and applications among them. Who is gone, or cannot be looked up now, has none."""
    wholes = dict.fromkeys(whole for event in events for whole in (event.actor, event.target))
    asked = [whole.split(":", 1) for whole in wholes if whole.startswith(("user:", "key:", "application:"))][:MAX_NAMES]
    users = [name for kind, name in asked if kind == "user"]
    names = await look_up(api, users=users, applications=[name for kind, name in asked if kind != "user"])
    return {f"{kind}:{name}": names[name] for kind, name in asked if name in names}


async def actor_of(api: AsyncNotifications, who: str) -> str | None:
    """The actor that somebody typed: as the API writes it, an id of a user, or an address. None: nobody has the address."""
    match kind_of(who):
        case Kind.ADDRESS:
            people = (await api.users.list(email=who, page_size=1).page()).items
            return f"user:{people[0].id}" if people else None
        case Kind.ID:
            return f"user:{who.lower()}"
    return who
