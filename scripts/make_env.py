"""Writes .env from .env.example with fresh random secrets, and each service's own .env with what is its alone.

Needs nothing but Python. A .env that exists is kept: its empty secrets are filled in (a copy of the example has them empty),
and what the example has and it lacks is told.
"""

import re
import secrets
import sys
from pathlib import Path

from service_keys import public_key_of

ROOT = Path(__file__).resolve().parent.parent
SECRETS_END = "# --- docker-compose"  # the example's first section holds the secrets
SERVICES = ("api-gateway", "user-service", "template-service", "email-service", "push-service")
PUBLIC_KEYS = "SERVICE_PUBLIC_KEYS"


def filled(text: str, example: str) -> str:
    """The text with 32 random bytes, safe in URLs, for every empty variable that is in the example's first section.

    The services' public keys are those of their private ones.
    """
    ours = values(example.partition(SECRETS_END)[0]).keys() - {PUBLIC_KEYS}

    def fill(line: re.Match[str]) -> str:
        return f"{line[1]}={secrets.token_urlsafe(32)}" if line[1] in ours else line[0]

    text = re.sub(r"^(\w+)=[^\S\n]*$", fill, text, flags=re.MULTILINE)
    return re.sub(rf"^{PUBLIC_KEYS}=[^\S\n]*$", f"{PUBLIC_KEYS}={public_keys(values(text))}", text, flags=re.MULTILINE)


def public_keys(given: dict[str, str]) -> str:
    privates = {service: given.get(f"{prefix(service)}_PRIVATE_KEY") for service in SERVICES}
    return ",".join(f"{service}:{public_key_of(private)}" for service, private in privates.items() if private)


def prefix(service: str) -> str:
    return service.upper().replace("-", "_")


def values(text: str) -> dict[str, str]:
    return dict(re.findall(r"^(\w+)=(.*)$", text, flags=re.MULTILINE))


def write(path: Path, text: str) -> None:
    """Readable by its owner only, from the first byte on."""
    path.touch(mode=0o600, exist_ok=True)
    path.chmod(0o600)
    path.write_text(text, encoding="utf-8")


def own_settings(service: str, given: dict[str, str]) -> dict[str, str]:
    """What a service that is started from its folder needs to have for itself."""
    own = {}
    if password := given.get(f"{prefix(service)}_DB_PASSWORD"):
        name = service.replace("-", "_")
        own["DATABASE_URL"] = f"postgresql+asyncpg://{name}:{password}@localhost:5432/{name}"
    if private := given.get(f"{prefix(service)}_PRIVATE_KEY"):
        own["SERVICE_PRIVATE_KEY"] = private
    if password := given.get(f"{prefix(service)}_RABBITMQ_PASSWORD"):
        own["RABBITMQ_URL"] = f"amqp://{service}:{password}@localhost:5672/"
    return own


def complete(path: Path, own: dict[str, str]) -> None:
    """What a file that exists has stays as it is."""
    kept = path.read_text(encoding="utf-8") if path.exists() else "# Written from ../.env by `make env`.\n"
    missing = [f"{name}={value}\n" for name, value in own.items() if name not in values(kept)]
    if missing:
        write(path, kept.rstrip("\n") + "\n" + "".join(missing))


def main(root: Path = ROOT) -> int:
    example, target = (root / ".env.example").read_text(encoding="utf-8"), root / ".env"
    if target.exists():
        kept = target.read_text(encoding="utf-8")
        missing = values(example).keys() - values(kept).keys()
        print(".env is there already and was kept.", *(f"It lacks {name}." for name in sorted(missing)), sep="\n")
        if (text := filled(kept, example)) != kept:
            write(target, text)
            print("Its empty secrets are fresh random ones now.")
    else:
        write(target, filled(example, example))
        print("Wrote .env with fresh random secrets.")
    given = values(target.read_text(encoding="utf-8"))
    for service in SERVICES:
        complete(root / service / ".env", own_settings(service, given))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(*(Path(argument) for argument in sys.argv[1:])))
    except UnicodeDecodeError:
        sys.exit(".env is not UTF-8")
    except OSError as error:
        sys.exit(f"{error.filename}: {error.strerror}")
    except ValueError as error:
        sys.exit(f"A private key in .env is none: {error}")
