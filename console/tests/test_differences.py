"""What differs between two versions, what a trial says in a sentence, and what is typed as values."""

from datetime import UTC, datetime
from time import perf_counter
from typing import Any

import pytest

from console.services.diffs import MAX_LINES, PartDiff, differences
from console.services.drafts import NotValues, read_values, with_examples
from console.services.trials import verdict_on
from notifications import Template, Trial

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PARTS: dict[str, Any] = {
    "code": "t", "name": "T", "description": "", "channels": ["email"], "languages": ["en"], "default_language": "en",
    "created_at": NOW, "updated_at": NOW, "language": "en", "version": 1, "active_version": 1, "latest_version": 1,
    "subject": "Hi {{ name }}",
    "preheader": "", "content": "<p>a</p>", "content_format": "html", "text": "", "title": "", "body": "", "image": "",
    "link": "", "link_schemes": [], "inline_css": True, "purpose": None, "sender": None, "snippets": {}, "variables": [],
    "warnings": [],
}  # fmt: skip


def diff(before: dict[str, Any], after: dict[str, Any]) -> list[PartDiff]:
    return differences(Template.model_validate({**PARTS, **before}), Template.model_validate({**PARTS, **after}))


def lines_of(part: PartDiff, kind: str) -> list[str]:
    return ["".join(piece.text for piece in line.pieces) for line in part.lines if line.kind == kind]


def test_changed_words_are_marked_and_the_text_is_whole() -> None:
    (part,) = diff({}, {"subject": "Hello {{ name }}"})
    assert (part.name, part.added, part.removed) == ("subject", 1, 1)
    assert lines_of(part, "added") == ["Hello {{ name }}"]
    assert [piece.text for line in part.lines for piece in line.pieces if piece.changed] == ["Hi", "Hello"]


def test_lines_far_from_a_change_are_left_out() -> None:
    before = "\n".join(f"<p>{number}</p>" for number in range(50))
    (part,) = diff({"content": before}, {"content": before.replace("<p>25</p>", "<p>changed</p>")})
    assert [line.kind for line in part.lines] == [
        "skipped",
        *["same"] * 3,
        "removed",
        "added",
        *["same"] * 3,
        "skipped",
    ]
    assert [(line.old, line.new) for line in part.lines if line.kind in {"removed", "added"}] == [
        (26, None),
        (None, 26),
    ]


def test_a_long_line_of_html_is_compared_tag_by_tag() -> None:
    row = "".join(f"<td>{number}</td>" for number in range(100))
    (part,) = diff({"content": row}, {"content": row.replace("<td>50</td>", "<td>fifty</td>")})
    assert (part.added, part.removed) == (1, 1)
    assert lines_of(part, "added") == ["<td>fifty</td>"]


def test_settings_differ_too() -> None:
    after = {"purpose": "news", "channels": ["email", "push"], "inline_css": False, "sender": {
        "from_name": "A", "from_email": None, "reply_to": None}}  # fmt: skip
    parts = diff({}, after)
    assert {part.name: lines_of(part, "added") for part in parts} == {
        "channels": ["email, push"], "inline_css": ["no"], "purpose": ["news"], "sender": ["from_name: A"],
    }  # fmt: skip
    assert diff(after, after) == []


def test_the_largest_parts_do_not_hold_the_page_up() -> None:
    began = perf_counter()
    many = "\n".join(str(number % 7) for number in range(MAX_LINES))
    other = "\n".join(str(number % 5) for number in range(MAX_LINES))
    assert len(diff({"content": many, "text": "x " * 120_000}, {"content": other, "text": "y " * 120_000})) == 2
    assert perf_counter() - began < 20
    (part,) = diff({"content": ""}, {"content": "\n" * (MAX_LINES + 1)})
    assert part.too_large


@pytest.mark.parametrize("text", ["[", "[1]", "1", '{"a": }', "[" * 100_000, '{"a": ' + "1" * 5_000 + "}"])
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(NotValues):
        read_values(text)


def test_missing_values_get_examples_and_given_ones_stay() -> None:
    assert read_values(" ") == {}
    given = {"order": {"id": 7, "url": None}, "items": [1]}
    assert with_examples(given, ["order.id", "order.url", "name", "items"]) == {
        "order": {"id": 7, "url": "https://example.com/"}, "name": "Ada Lovelace", "items": [1],
    }  # fmt: skip


def rendering(subject: str = "Hi", error: str | None = None, missing: tuple[str, ...] = ()) -> dict[str, Any]:
    length = None if error else len(subject)
    return {
        "error": error,
        "message": error,
        "missing_variables": list(missing),
        "subject": subject,
        "subject_length": length,
    }


def trial(*pairs: tuple[dict[str, Any], dict[str, Any]], found: int | None = None, links: int = 0) -> Trial:
    tried = [
        {"notification_id": "n", "notification_type": "email", "language": "en", "created_at": NOW, "before": before,
         "after": after, "links_added": links, "links_removed": 0, "added": [], "removed": [], "variables": None}
        for before, after in pairs
    ]  # fmt: skip
    found = len(tried) if found is None else found
    failing = sum(after["error"] is not None for _, after in pairs)
    return Trial.model_validate(
        {"code": "t", "language": "en", "version": 2, "active_version": 1, "found": found, "failing": failing,
         "complete": found == len(tried), "notifications": tried}
    )  # fmt: skip


BAD = rendering(error="missing_variables", missing=("order.id",))
GOOD = rendering()


@pytest.mark.parametrize(
    ("tried", "tone", "headline", "detail"),
    [
        (trial((GOOD, GOOD), (GOOD, GOOD)), "good", "All of the last 2 notifications can be sent with version 2.",
         "Subjects and links stay as they are."),
        (trial((GOOD, GOOD)), "good", "The last notification can be sent with version 2.", ""),
        (trial((GOOD, BAD), (GOOD, GOOD)), "bad", "1 of the last 2 notifications would fail with version 2.",
         "order.id is missing in 1 of them."),
        (trial((GOOD, BAD)), "bad", "The last notification would fail with version 2.", ""),
        (trial((BAD, BAD)), "wait", "1 of the last 1 fail with version 2, as they do with the active one.", ""),
        (trial((BAD, GOOD)), "good", "The last notification can be sent with version 2.", ""),
        (trial((GOOD, rendering("Hello")), (GOOD, GOOD)), "good", "",
         "The subject changes in 1; the longest has 5 characters."),
        (trial((GOOD, rendering("Hello"))), "good", "", "Its subject changes, and has 5 characters."),
        (trial((GOOD, GOOD), (GOOD, GOOD), links=1), "good", "", "Links change in 2."),
        (trial((GOOD, GOOD), found=3), "good", "", "1 of 3 were tried: there was no time for more."),
        (trial(), "idle", "Nothing was tried: nothing was sent in this language lately.", ""),
        (trial(found=3), "idle", "Nothing was tried: there was no time to render any of them.", ""),
    ],
)  # fmt: skip
def test_a_trial_is_said_in_a_sentence(tried: Trial, tone: str, headline: str, detail: str) -> None:
    said = verdict_on(tried)
    assert said.tone == tone
    assert headline in said.headline
    assert detail in " ".join(said.details)
