"""Profiles: where a system is, and the key for it. The file is its owner's alone; keys are never printed."""

import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from notifications.cli.exits import CommandError, ExitCode

OWNER_ONLY = 0o600
TEST_KEY = "nk_test_"


@dataclass(frozen=True, slots=True)
class Profile:
    url: str
    api_key: str = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """Tells systems apart, and live from test keys: each has its own notifications. Keys may be replaced."""
        return f"{self.url.rstrip('/')} {'test' if self.api_key.startswith(TEST_KEY) else 'live'}"


@dataclass(frozen=True, slots=True)
class Profiles:
    current: str = "default"
    by_name: Mapping[str, Profile] = field(default_factory=dict)


def path() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "notify" / "profiles.json"


def load() -> Profiles:
    file = path()
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        profiles = {name: Profile(**each) for name, each in stored["profiles"].items()}
        return Profiles(stored["current"], profiles)
    except FileNotFoundError:
        return Profiles()
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CommandError(f"{file} is damaged; remove it and log in again") from error


def save(profiles: Profiles) -> None:
    """Replaces the file as a whole. At no moment can others read it."""
    file = path()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    stored = {
        "current": profiles.current,
        "profiles": {name: asdict(profile) for name, profile in profiles.by_name.items()},
    }
    handle, name = tempfile.mkstemp(dir=file.parent)  # made with mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as draft:
            json.dump(stored, draft, indent=2)
        Path(name).replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def is_private() -> bool:
    """Whether nobody but the owner can read the file, as far as the system has owners."""
    try:
        return os.name == "nt" or not stat.S_IMODE(path().stat().st_mode) & ~OWNER_ONLY
    except FileNotFoundError:
        return True


def chosen(name: str | None, environment: Mapping[str, str] = os.environ) -> Profile:
    """NOTIFICATIONS_URL and NOTIFICATIONS_API_KEY win over the current profile. Beside a profile that is named, they could
    send to another system than was meant, so both together are refused.

    A stored key goes to the address that it was stored with, and to no other.
    """
    url, key = environment.get("NOTIFICATIONS_URL"), environment.get("NOTIFICATIONS_API_KEY")
    if name is not None and (url or key):
        raise CommandError(
            f"The profile {name} is named, and NOTIFICATIONS_URL or NOTIFICATIONS_API_KEY is set: unset them"
        )
    if url and key:
        return Profile(url, key)
    profiles = load()
    wanted = name or profiles.current
    profile = profiles.by_name.get(wanted)
    if profile is None:
        raise CommandError(_missing(name, url, key), ExitCode.NOT_ALLOWED)
    if url and url.rstrip("/") != profile.url.rstrip("/"):
        problem = f"NOTIFICATIONS_URL is not the address of the profile {wanted}: set NOTIFICATIONS_API_KEY as well"
        raise CommandError(problem, ExitCode.NOT_ALLOWED)
    return Profile(profile.url, key or profile.api_key)


def _missing(name: str | None, url: str | None, key: str | None) -> str:
    if name is not None:
        return f"There is no profile {name}. `notify profiles` lists them"
    if key and not url:
        return "NOTIFICATIONS_API_KEY is set, and NOTIFICATIONS_URL is not"
    if url and not key:
        return "NOTIFICATIONS_URL is set, and NOTIFICATIONS_API_KEY is not"
    return "Not logged in: run `notify login`, or set NOTIFICATIONS_URL and NOTIFICATIONS_API_KEY"
