"""What would be sent of a draft, as far as it can be shown while somebody is still typing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from console.services.drafts import (
    NOTHING_WRONG,
    Draft,
    NotValues,
    Refusal,
    missing_names,
    pretty,
    read_values,
    refusal_of,
    unsaved,
    with_examples,
)
from notifications import ApiError, AsyncNotifications, InvalidRequest, Preview, Template

MAX_FRAME = 200_000  # characters that a page sends back for its frame: at four bytes each below what a request may have


@dataclass(frozen=True, slots=True)
class Rendered:
    """`filled`: variables that the values lack, for which examples are shown."""

    preview: Preview | None
    refusal: Refusal = NOTHING_WRONG
    filled: Sequence[str] = ()

    @property
    def mail(self) -> str:
        """Its HTML; "" if there is none."""
        return self.preview.email.html if self.preview and self.preview.email else ""

    @property
    def frame(self) -> str | None:
        """The mail for the page's frame; None if it is too large to go to the page and back."""
        return self.mail if len(self.mail) <= MAX_FRAME else None


@dataclass(frozen=True, slots=True)
class Values:
    """JSON for the form, and where it comes from: the notification that was sent with it, or nothing real."""

    text: str
    notification_id: str = ""
    sent_at: datetime | None = None


async def render(api: AsyncNotifications, draft: Draft, base: Template | None) -> Rendered:
    try:
        values = read_values(draft.values)
    except NotValues as wrong:
        return Rendered(None, Refusal({"values": str(wrong)}))
    try:
        return await _render(api, draft, base, values)
    except InvalidRequest as refused:
        return Rendered(None, refusal_of(refused))


async def _render(api: AsyncNotifications, draft: Draft, base: Template | None, values: dict[str, Any]) -> Rendered:
    """Once more with examples, if variables are missing. Raises InvalidRequest."""
    parts = unsaved(draft, base)
    try:
        return Rendered(await api.templates.render_unsaved(**parts, variables=values))
    except InvalidRequest as refused:
        names = missing_names(refused) if refused.code == "missing_variables" else []
        if not names:
            raise
    preview = await api.templates.render_unsaved(**parts, variables=with_examples(values, names))
    return Rendered(preview, filled=names)


async def last_values(api: AsyncNotifications, template: Template) -> Values:
    """What the language was sent with last, if the viewer may see it; else examples."""
    if template.active_version is not None:
        try:
            trial = await api.templates.trial(
                template.code, template.active_version, language=template.language, last=1, show_variables=True
            )
        except ApiError as refused:  # the viewer may not, or there is no time for it now: the page works without
            if refused.status == 401:
                raise
            return example(template)
        for one in trial.notifications:
            if one.variables is not None:
                return Values(pretty(one.variables), one.notification_id, one.created_at)
    return example(template)


def example(template: Template) -> Values:
    return Values(pretty(with_examples({}, template.variables)))


def refusal_or_raise(error: ApiError) -> Refusal:
    """What can be said beside the form. Raises the error if the session has ended."""
    if error.status == 401:
        raise error
    return refusal_of(error)
