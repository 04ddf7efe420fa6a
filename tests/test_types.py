"""Types: mypy finds nothing to say about the package."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy", reason="pip install 'stemfast[test]'")
ROOT = Path(__file__).resolve().parents[1]


def test_types_are_consistent():
    """It takes half a minute where nothing is cached, so it runs beside other files of tests."""
    found = subprocess.run(
        [sys.executable, "-m", "mypy"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert found.returncode == 0, found.stdout
