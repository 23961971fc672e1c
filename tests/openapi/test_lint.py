"""`make check`'s linter needs Node.js, which a fresh machine may not have."""

import shutil
import subprocess
from pathlib import Path

from devstack.stack import ROOT


def test_without_node_make_says_in_one_line_what_is_missing(tmp_path: Path) -> None:
    judges = tmp_path / "node_modules"
    command = [shutil.which("make") or "make", "--no-print-directory", f"OPENAPI_LINT={judges}", f"{judges}/.ready"]
    done = subprocess.run(
        command, cwd=ROOT, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False, timeout=60
    )
    said = [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]
    assert done.returncode != 0
    assert len(said) == 1, done.stderr
    assert "Node.js" in said[0]


def test_no_registry_is_named_in_what_npm_has_pinned() -> None:
    lock = (ROOT / "tests/openapi/package-lock.json").read_text()
    assert '"integrity"' in lock
    assert '"resolved"' not in lock


def test_no_registry_is_named_in_what_the_generated_client_is_made_with() -> None:
    pinned = (ROOT / "tests/openapi/requirements.txt").read_text()
    assert "openapi-python-client==" in pinned
    packages = [line for line in pinned.splitlines() if not line.startswith((" ", "#"))]
    assert all("==" in line and line.endswith("\\") for line in packages), "each has a version and hashes"
    assert "://" not in pinned
