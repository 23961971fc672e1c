"""Language tags and the choice among a template's languages."""

import pytest
from pydantic import TypeAdapter, ValidationError

from contracts.fields import Language, canonical_language, choose_language


@pytest.mark.parametrize(
    ("requested", "chosen"),
    [
        ("pt-BR", "pt-BR"),
        ("pt-PT", "pt"),
        ("pt", "pt"),
        ("PT_br", "pt-BR"),
        ("fr", "en"),
        ("", "en"),
        (None, "en"),
        ("zh-Hant-TW", "zh-Hant"),
        ("pt-x-private", "pt"),
        ("e", "en"),
        ("-", "en"),
    ],
)
def test_the_closest_language_is_chosen_else_the_default(requested: str | None, chosen: str) -> None:
    assert choose_language(["en", "pt", "pt-BR", "zh-Hant"], requested, "en") == chosen


def test_a_singleton_is_never_looked_up_by_itself() -> None:
    assert choose_language(["en", "de-x"], "de-x-secret", "en") == "en"


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("EN", "en"),
        ("pt_br", "pt-BR"),
        ("PT-br", "pt-BR"),
        (" pt_BR ", "pt-BR"),
        ("ZH-HANT-tw", "zh-Hant-TW"),
        ("zh_Hant_TW", "zh-Hant-TW"),
        ("es-419", "es-419"),
        ("de-1996", "de-1996"),
    ],
)
def test_a_tag_is_written_by_convention(given: str, written: str) -> None:
    assert canonical_language(given) == written


@pytest.mark.parametrize(
    "given", ["", "e", "english", "pt-", "pt BR", "pt-BR\x00", "pt\n", "../en", "en" + "-abcdefgh" * 7, "ру"]
)
def test_an_invalid_tag_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="language tag"):
        canonical_language(given)


def test_a_field_takes_every_way_of_writing_and_gives_one():
    field = TypeAdapter(Language)
    assert {field.validate_python(tag) for tag in ("pt-BR", "pt_BR", "PT-br", "pt-br", " pt_BR ")} == {"pt-BR"}
    with pytest.raises(ValidationError):
        field.validate_python("english!")
