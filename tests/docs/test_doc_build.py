"""The documentation builds without a warning, and its notebook page runs."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_documentation_builds_without_warnings(tmp_path: Path) -> None:
    pytest.importorskip("sphinx")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", "-d", tmp_path / "trees", ROOT / "docs", tmp_path / "html"]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    page = (tmp_path / "html" / "microcircuit.html").read_text()
    assert page.count("<img") == 2
    assert "modelled energy of the run phase" in page
    assert not list((tmp_path / "html" / "reports").glob("*.log"))
