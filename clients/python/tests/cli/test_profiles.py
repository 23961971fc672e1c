"""Keys are the owner's alone, go to their own system, and are never shown."""

import stat
import subprocess
import sys

import pytest

from notifications.cli import profiles
from notifications.cli.exits import CommandError
from notifications.cli.profiles import Profile, Profiles

PROD, STAGING = (
    Profile("https://notify.example.com", "nk_live_prod"),
    Profile("http://localhost:8000/", "nk_test_staging"),
)


@pytest.fixture(autouse=True)
def stored(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    profiles.save(Profiles("prod", {"prod": PROD, "staging": STAGING}))


def test_the_file_is_the_owner_s_alone_from_the_start(tmp_path) -> None:
    path = profiles.path()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.chmod(0o644)
    assert not profiles.is_private()
    profiles.save(profiles.load())
    assert profiles.is_private()
    assert [each.name for each in path.parent.iterdir()] == ["profiles.json"]


def test_the_current_profile_or_the_named_one_counts() -> None:
    assert profiles.chosen(None, {}) == PROD
    assert profiles.chosen("staging", {}) == STAGING


def test_the_environment_wins() -> None:
    both = {"NOTIFICATIONS_URL": "http://other.example", "NOTIFICATIONS_API_KEY": "nk_live_env"}
    assert profiles.chosen(None, both) == Profile("http://other.example", "nk_live_env")
    assert profiles.chosen(None, {"NOTIFICATIONS_API_KEY": "nk_live_env"}) == Profile(PROD.url, "nk_live_env")
    assert profiles.chosen(None, {"NOTIFICATIONS_URL": f"{PROD.url}/"}) == PROD


def test_a_stored_key_goes_to_no_other_system() -> None:
    with pytest.raises(CommandError, match="not the address of the profile prod"):
        profiles.chosen(None, {"NOTIFICATIONS_URL": "https://evil.example"})


def test_a_named_profile_beside_the_environment_is_refused() -> None:
    with pytest.raises(CommandError, match="unset them"):
        profiles.chosen("staging", {"NOTIFICATIONS_API_KEY": "nk_live_env"})


def test_a_key_is_in_no_text() -> None:
    assert "nk_" not in f"{PROD} {profiles.load()!r} {PROD.fingerprint}"
    assert PROD.fingerprint != STAGING.fingerprint


@pytest.mark.parametrize("text", ["", "{", "[]", '{"profiles": {}}', '{"current": "a", "profiles": {"a": {"url": 1}}}'])
def test_a_damaged_file_is_said_and_not_a_traceback(text) -> None:
    profiles.path().write_text(text)
    with pytest.raises(CommandError, match="is damaged"):
        profiles.load()


def test_what_is_missing_is_said() -> None:
    with pytest.raises(CommandError, match="no profile none"):
        profiles.chosen("none", {})
    profiles.save(Profiles())
    with pytest.raises(CommandError, match="notify login"):
        profiles.chosen(None, {})
    with pytest.raises(CommandError, match="NOTIFICATIONS_URL is not"):
        profiles.chosen(None, {"NOTIFICATIONS_API_KEY": "x"})


def test_the_sdk_alone_needs_none_of_the_command_line_s_libraries() -> None:
    code = "import sys, notifications; print(sorted({'typer', 'rich', 'yaml'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_without_the_extra_the_command_says_what_is_missing() -> None:
    code = "import sys; sys.modules['rich'] = None; from notifications.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "notify needs the extra cli: pip install 'notification-sdk[cli]'\n")
