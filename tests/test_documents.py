"""The documents point at what exists, and the diagrams say what the code says."""

import re
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
from opentelemetry.sdk import environment_variables
from pydantic import ValidationError

from api_gateway.models import Base as GatewayTables
from api_gateway.settings import GatewaySettings
from chassis.settings import ServiceSettings
from console.settings import ConsoleSettings
from contracts.status import Status, may_follow
from email_service.models import Base as EmailTables
from email_service.settings import EmailSettings
from push_service.models import Base as PushTables
from push_service.settings import PushSettings
from template_service.models import Base as TemplateTables
from template_service.settings import TemplateSettings
from user_service.models import Base as UserTables
from user_service.settings import UserSettings

ROOT = Path(__file__).resolve().parent.parent
SETTINGS: Mapping[str, type[ServiceSettings]] = {
    "api-gateway": GatewaySettings,
    "user-service": UserSettings,
    "template-service": TemplateSettings,
    "email-service": EmailSettings,
    "push-service": PushSettings,
    "console": ConsoleSettings,
}
# Where variables that are no settings of ours come from: compose, uvicorn, tests' servers, the workflow, tracing.
DECLARED_IN = (
    "docker-compose.yml",
    "docker-compose.prod.yml",
    ".env.example",
    "conftest.py",
    ".github/workflows/deploy.yml",
    "libs/chassis/chassis/observability/tracing/spans.py",
)
# Of a command; of OpenSSL; of the SDK; of desktops.
OTHERS_VARIABLES = {
    "ADMIN_PASSWORD", "SSL_CERT_FILE", "NOTIFICATIONS_URL", "NOTIFICATIONS_API_KEY", "XDG_CONFIG_HOME",
}  # fmt: skip
BRIEFS_VARIABLES = {
    "DB_NAME",
    "DB_USER",
    "DB_PASSWORD",
    "DB_HOST",
    "DB_PORT",
    "ALLOWED_HOSTS",
}  # docs/start/commands-of-the-brief.md says what for
# In capitals and backticks, and no variable: answers of servers, and names in the guide's example that are yet to be made.
NO_VARIABLES = {
    "PRECONDITION_FAILED", "ACCESS_REFUSED", "SENDER_ID_MISMATCH", "THIRD_PARTY_AUTH_ERROR", "INVALID_ARGUMENT",
    "SMS_SERVICE", "SMS_PARTS", "SERVICE_SECRET",
}  # fmt: skip
# What is not committed, what the guide's example is yet to make, what must never be.
NO_PATHS = {".data/", "sms-service/", "utils.py"}
DIAGRAMS = ("flowchart", "sequenceDiagram", "stateDiagram-v2", "erDiagram")


@cache
def repository() -> frozenset[str]:
    """Every file that is or will be committed, and every folder of one."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    there = {name for name in files if name and (ROOT / name).exists()}
    return frozenset(there | {str(folder) for name in there for folder in Path(name).parents} - {"."})


def documents() -> list[str]:
    return sorted(name for name in repository() if name.endswith(".md"))


FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def prose(name: str) -> str:
    return FENCE.sub("", (ROOT / name).read_text())


def spans(name: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`\n]+)`", prose(name))


def code(name: str) -> str:
    """Everything that a reader may copy: fences and backticks."""
    shells = (body for kind, body in FENCE.findall((ROOT / name).read_text()) if kind in {"", "bash", "sh"})
    return "\n".join([*spans(name), *shells])


def anchors(name: str) -> set[str]:
    """As the hosting sites make them of headings."""
    headings = re.findall(r"^#+ (.+)$", prose(name), re.MULTILINE)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)|`", r"\1", heading).lower() for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("name", documents())
def test_every_link_leads_somewhere(name: str) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(name)):
        if re.match(r"https?:|mailto:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        there = target.exists() and target.resolve().is_relative_to(ROOT)
        if not there or (anchor and anchor not in anchors(str(target.resolve().relative_to(ROOT)))):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("name", documents())
def test_every_make_target_exists(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z][a-z-]*)", code(name))) <= targets


@pytest.mark.parametrize("name", documents())
def test_every_path_exists(name: str) -> None:
    """From the root, if it begins there; else, like `routers/users.py`, the end of some path."""
    missing = [
        path
        for path in spans(name)
        if looks_like_a_path(path) and not is_there(path.rstrip("/")) and path not in NO_PATHS
    ]
    assert missing == []


def looks_like_a_path(text: str) -> bool:
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)*/?", text):
        return False
    return begins_at_the_root(text) or re.search(r"\w\.(py|md|ya?ml|sh|ini|toml)$|\w/$", text) is not None


def is_there(path: str) -> bool:
    return path in repository() or (
        not begins_at_the_root(path) and any(name.endswith(f"/{path}") for name in repository())
    )


def begins_at_the_root(path: str) -> bool:
    first, slash, _ = path.partition("/")
    return bool(slash) and first in repository()


@cache
def variables() -> frozenset[str]:
    ours = {field.upper() for kind in SETTINGS.values() for field in kind.model_fields}
    declared = "\n".join((ROOT / name).read_text() for name in DECLARED_IN)
    ours |= {name for name in vars(environment_variables) if name.startswith("OTEL_")}
    return frozenset(ours | OTHERS_VARIABLES | set(re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", declared)))


@pytest.mark.parametrize("name", documents())
def test_every_variable_exists(name: str) -> None:
    named = {text for span in spans(name) for text in re.findall(r"^([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=.*)?$", span)}
    assert named - variables() - NO_VARIABLES - BRIEFS_VARIABLES == set()


ASSIGNED = re.compile(r"(?:^|[\s`])([A-Z][A-Z0-9_]+)=(\"[^\"]*\"|[^\s\"`]+)", re.MULTILINE)
LEFT_TO_THE_READER = re.compile(r"…|\$|^/|:/")  # a placeholder, a shell's variable, a file


@pytest.mark.parametrize("name", documents())
def test_a_value_that_is_shown_for_a_setting_is_accepted(name: str) -> None:
    for variable, value in ASSIGNED.findall((ROOT / name).read_text()):
        for settings in SETTINGS.values():
            if variable.lower() in settings.model_fields and not LEFT_TO_THE_READER.search(value):
                assert accepts(settings, variable.lower(), value.strip('"')), f"{variable}={value}"


def accepts(settings: type[ServiceSettings], field: str, value: str) -> bool:
    try:
        settings.model_validate({field: value})
    except ValidationError as problems:
        return all(one["loc"] != (field,) for one in problems.errors())
    return True


def diagrams() -> list[tuple[str, str]]:
    return [
        (name, body)
        for name in documents()
        for kind, body in FENCE.findall((ROOT / name).read_text())
        if kind == "mermaid"
    ]


@pytest.mark.parametrize(("name", "body"), diagrams())
def test_every_diagram_is_of_a_known_kind_and_closes_what_it_opens(name: str, body: str) -> None:
    """What can be seen without Mermaid itself; whether it is readable only eyes can tell."""
    lines = [line.split() for line in body.split("\n") if line.strip()]
    assert lines[0][0] in DIAGRAMS, name
    text = re.sub(r'"[^"\n]*"|[|}o]{1,2}(--|\.\.)[|{o]{1,2}', "", body)  # labels; the crow's feet of relationships
    for opens, closes in ("()", "[]", "{}"):
        assert text.count(opens) == text.count(closes), f"{name}: {opens} {closes} in {lines[0]}"
    assert text.count('"') == 0, name
    first = [line[0] for line in lines]
    assert first.count("end") == sum(first.count(block) for block in ("alt", "opt", "loop", "par", "subgraph")), name


DESIGN = (ROOT / "SYSTEM_DESIGN.md", *sorted((ROOT / "docs" / "explanation").glob("*.md")))


def _section(text: str, name: str) -> str:
    """Empty where the document has none of that name."""
    return text.split(f"\n## {name}\n")[1].split("\n## ", maxsplit=1)[0] if f"\n## {name}\n" in text else ""


def design(kind: str, section: str) -> str:
    """The diagrams of that kind in a section of the system design and its explanations."""
    text = "\n".join(_section(file.read_text(), section) for file in DESIGN)
    found = [body for language, body in FENCE.findall(text) if language == "mermaid" and body.startswith(kind)]
    return "\n".join(found)


def test_the_database_diagrams_are_the_models() -> None:
    """The push worker's ledger is not drawn: the text says that it is the e-mail worker's under another name."""
    entities = re.findall(r"^ +(\w+) \{\n(.*?)^ +\}$", design("erDiagram", "Databases"), re.MULTILINE | re.DOTALL)
    drawn = {
        table: {(column, "PK" in flags) for column, flags in re.findall(r"^ +\w+ (\w+)(.*)$", columns, re.MULTILINE)}
        for table, columns in entities
    }
    drawn |= {f"push_{table}": drawn[f"email_{table}"] for table in ("deliveries", "workers")}
    assert drawn == {
        table.name: {(column.name, column.primary_key) for column in table.columns}
        for base in (GatewayTables, UserTables, TemplateTables, EmailTables, PushTables)
        for table in base.metadata.tables.values()
    }


def test_the_status_diagram_is_the_status_machine() -> None:
    arrows = re.findall(r"^ +(\w+) --> (\w+)", design("stateDiagram-v2", "Status machine"), re.MULTILINE)
    assert arrows
    drawn = {(Status(now), Status(then)) for now, then in arrows}
    retried = {(Status.FAILED, Status.PENDING), (Status.UNKNOWN, Status.PENDING)}
    set_back = retried | {(Status.QUEUED, Status.PENDING)}  # by a person's retry, by a hold
    assert [arrow for arrow in drawn - set_back if not may_follow(*arrow)] == []
    assert {status for arrow in drawn for status in arrow} == set(Status)
