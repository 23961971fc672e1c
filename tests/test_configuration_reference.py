"""Every setting says what it does, and the reference has all of them."""

from devstack import configuration


def test_every_setting_says_what_it_does() -> None:
    assert configuration.undescribed() == []


def test_the_reference_names_every_setting_of_every_service() -> None:
    text = configuration.reference()
    for _, kind, _ in configuration.SECTIONS:
        assert [name for name in kind.model_fields if f"| `{name.upper()}` |" not in text] == []
