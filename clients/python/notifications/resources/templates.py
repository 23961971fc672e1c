"""Templates, their versions, and snippets."""

from collections.abc import Mapping
from typing import Any, Unpack

from notifications.answers.base import Data, PageOf
from notifications.answers.templates import (
    ArchivedSnippet,
    ArchivedTemplate,
    Preview,
    Snippet,
    SnippetSummary,
    SnippetUse,
    Template,
    TemplateSummary,
    TemplateVersion,
)
from notifications.answers.trials import Trial
from notifications.bodies import given
from notifications.calls import Call
from notifications.endpoints import Resource, Transport, endpoint, listing
from notifications.paging import Listing
from notifications.requests.notifications import Channel
from notifications.requests.templates import NewTemplate, TemplateChange, UnsavedTemplate


class Templates(Resource[Transport]):
    """Without a `language`, the template's default language is meant."""

    @listing
    def list(
        self,
        *,
        search: str | None = None,
        language: str | None = None,
        channel: Channel | None = None,
        page_size: int = 100,
        page: int | None = None,
    ) -> Listing[TemplateSummary]:
        filters = {"search": search, "language": language, "channel": channel}
        return self._listing(("templates",), PageOf(TemplateSummary), **filters, page_size=page_size, page=page)

    @endpoint
    def get(self, code: str, *, language: str | None = None, version: int | None = None) -> Call[Template]:
        """The active version, or the given one; versions are numbered within a language."""
        query = {"language": language, "version": version}
        return self._call("GET", ("templates", code), Data(Template), query=query)

    @endpoint
    def create(self, **template: Unpack[NewTemplate]) -> Call[Template]:
        """A template, or a further language of one."""
        return self._call("POST", ("templates",), Data(Template), body=template)

    @endpoint
    def update(self, code: str, *, language: str | None = None, **change: Unpack[TemplateChange]) -> Call[Template]:
        """Changed parts make a new version, which is active at once unless `activate` is False. None removes a part."""
        return self._call("PATCH", ("templates", code), Data(Template), query={"language": language}, body=change)

    @endpoint
    def replace(self, code: str, *, language: str | None = None, **content: Unpack[TemplateChange]) -> Call[Template]:
        """Like `update`, and parts that are left out are removed. The same content again makes no new version."""
        return self._call("PUT", ("templates", code), Data(Template), query={"language": language}, body=content)

    @endpoint
    def archive(self, code: str) -> Call[ArchivedTemplate]:
        """New notifications no longer find it; those under way still get their version."""
        return self._call("DELETE", ("templates", code), Data(ArchivedTemplate))

    @listing
    def versions(
        self, code: str, *, language: str | None = None, page_size: int = 100, page: int | None = None
    ) -> Listing[TemplateVersion]:
        segments = ("templates", code, "versions")
        return self._listing(segments, PageOf(TemplateVersion), language=language, page_size=page_size, page=page)

    @endpoint
    def activate(self, code: str, version: int, *, language: str | None = None) -> Call[Template]:
        """Rolls back, or forward, to a version."""
        segments = ("templates", code, "versions", str(version), "activate")
        return self._call("POST", segments, Data(Template), query={"language": language})

    @endpoint
    def refresh(self, code: str, *, language: str | None = None) -> Call[Template]:
        """A new version with the latest snippets, unless it has them already."""
        return self._call("POST", ("templates", code, "refresh"), Data(Template), query={"language": language})

    @endpoint
    def trial(
        self,
        code: str,
        version: int,
        *,
        last: int | None = None,
        language: str | None = None,
        notification_type: Channel | None = None,
        show_variables: bool | None = None,
    ) -> Call[Trial]:
        """What a version, such as a draft, makes of the `last` notifications (20; at most 100) of the template. Nothing is
        sent. An application tries with what it sent itself."""
        body = given(
            version=version,
            last=last,
            language=language,
            notification_type=notification_type,
            show_variables=show_variables,
        )
        return self._call("POST", ("templates", code, "trials"), Data(Trial), body=body, repeatable=True)

    @endpoint
    def render(
        self,
        code: str,
        *,
        variables: Mapping[str, Any] | None = None,
        language: str | None = None,
        version: int | None = None,
        channel: Channel | None = None,
    ) -> Call[Preview]:
        """What would be sent."""
        body = given(variables=variables, language=language, version=version, channel=channel)
        return self._call("POST", ("templates", code, "render"), Data(Preview), body=body, repeatable=True)

    @endpoint
    def render_unsaved(self, **template: Unpack[UnsavedTemplate]) -> Call[Preview]:
        """What would be sent of parts that are not saved."""
        return self._call("POST", ("templates", "render"), Data(Preview), body=template, repeatable=True)


class Snippets(Resource[Transport]):
    """Named sources that templates have in common."""

    @listing
    def list(
        self, *, search: str | None = None, page_size: int = 100, page: int | None = None
    ) -> Listing[SnippetSummary]:
        return self._listing(("snippets",), PageOf(SnippetSummary), search=search, page_size=page_size, page=page)

    @endpoint
    def get(self, name: str, *, version: int | None = None) -> Call[Snippet]:
        return self._call("GET", ("snippets", name), Data(Snippet), query={"version": version})

    @endpoint
    def create(self, name: str, content: str, *, description: str | None = None) -> Call[Snippet]:
        body = given(name=name, content=content, description=description)
        return self._call("POST", ("snippets",), Data(Snippet), body=body)

    @endpoint
    def replace(self, name: str, content: str, *, description: str | None = None) -> Call[Snippet]:
        """Templates keep the version that they have until they are refreshed."""
        return self._call(
            "PUT", ("snippets", name), Data(Snippet), body=given(content=content, description=description)
        )

    @endpoint
    def archive(self, name: str) -> Call[ArchivedSnippet]:
        return self._call("DELETE", ("snippets", name), Data(ArchivedSnippet))

    @listing
    def versions(self, name: str, *, page_size: int = 100, page: int | None = None) -> Listing[SnippetSummary]:
        return self._listing(("snippets", name, "versions"), PageOf(SnippetSummary), page_size=page_size, page=page)

    @listing
    def templates(self, name: str, *, page_size: int = 100, page: int | None = None) -> Listing[SnippetUse]:
        """The templates that have it in them."""
        return self._listing(("snippets", name, "templates"), PageOf(SnippetUse), page_size=page_size, page=page)
