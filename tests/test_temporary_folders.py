"""Runs of pytest beside each other leave each other's folders alone."""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
USES_A_FOLDER = "tests/test_side_by_side.py::test_what_failed_is_named_at_the_end_of_the_log"


def test_another_run_does_not_close_this_run_s_folder_to_other_users(tmp_path: Path) -> None:
    above = [folder for folder in (tmp_path, *tmp_path.parents) if folder.is_relative_to(tempfile.gettempdir())]
    for folder in above[:-1]:
        folder.chmod(0o755)
    other = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", USES_A_FOLDER]
    subprocess.run(other, check=True, cwd=ROOT, capture_output=True)
    assert all(folder.stat().st_mode & 0o001 for folder in above)
