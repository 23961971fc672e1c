"""All methods of a client: those for notifications at the client itself, the others in groups."""

from notifications.endpoints import Transport
from notifications.resources.access import ApiKeys, Applications
from notifications.resources.holds import Holds
from notifications.resources.operations import Operations, Suppressions
from notifications.resources.people import Contacts, Users
from notifications.resources.sending import Sending
from notifications.resources.sessions import Sessions
from notifications.resources.templates import Snippets, Templates


class Root(Sending[Transport], Sessions[Transport], Operations[Transport]):
    def __init__(self, transport: Transport) -> None:
        super().__init__(transport)
        self.templates = Templates(transport)
        self.snippets = Snippets(transport)
        self.users = Users(transport)
        self.contacts = Contacts(transport)
        self.applications = Applications(transport)
        self.api_keys = ApiKeys(transport)
        self.suppressions = Suppressions(transport)
        self.holds = Holds(transport)
