"""Writes .env from .env.example with fresh random secrets, and each service's own .env with the address of its database.

Needs nothing but Python. A .env that exists is kept: its empty secrets are filled in (a copy of the example has them empty),
and what the example has and it lacks is told.
"""

import re
import secrets
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SECRETS_END = "# --- docker-compose"  # the example's first section holds the secrets
SERVICES = ("api-gateway", "user-service", "template-service", "email-service", "push-service")


def filled(text: str, example: str) -> str:
    """The text with 32 random bytes, safe in URLs, for every empty variable that is in the example's first section."""
    ours = values(example.partition(SECRETS_END)[0])

    def fill(line: re.Match[str]) -> str:
        return f"{line[1]}={secrets.token_urlsafe(32)}" if line[1] in ours else line[0]

    return re.sub(r"^(\w+)=[^\S\n]*$", fill, text, flags=re.MULTILINE)


def values(text: str) -> dict[str, str]:
    return dict(re.findall(r"^(\w+)=(.*)$", text, flags=re.MULTILINE))


def write(path: Path, text: str) -> None:
    """Readable by its owner only, from the first byte on."""
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(text, encoding="utf-8")


def main(root: Path = ROOT) -> int:
    example, target = (root / ".env.example").read_text(encoding="utf-8"), root / ".env"
    if target.exists():
        kept = target.read_text(encoding="utf-8")
        missing = values(example).keys() - values(kept).keys()
        print(".env is there already and was kept.", *(f"It lacks {name}." for name in sorted(missing)), sep="\n")
        if (text := filled(kept, example)) != kept:
            target.chmod(0o600)
            target.write_text(text, encoding="utf-8")
            print("Its empty secrets are fresh random ones now.")
    else:
        write(target, filled(example, example))
        print("Wrote .env with fresh random secrets.")
    given = values(target.read_text(encoding="utf-8"))
    for folder in SERVICES:
        name = folder.replace("-", "_")
        password = given.get(f"{name.upper()}_DB_PASSWORD")
        if password and not (root / folder / ".env").exists():
            address = f"postgresql+asyncpg://{name}:{password}@localhost:5432/{name}"
            write(root / folder / ".env", f"# Written from ../.env by `make env`.\nDATABASE_URL={address}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*(Path(argument) for argument in sys.argv[1:])))
