"""Rules of accessible pages, from outside: axe-core, which is installed with the other judges on Node.js."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
JUDGES = ROOT / "tests" / "openapi"


def axe() -> str:
    """The script that a page runs."""
    ready = JUDGES / "node_modules" / ".ready"
    subprocess.run(["make", "--silent", ready.relative_to(ROOT)], cwd=ROOT, check=True)
    return (JUDGES / "node_modules" / "axe-core" / "axe.min.js").read_text()
