"""Every example runs as its first lines say and leaves its picture."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(example, tmp_path):
    picture = tmp_path / "picture.png"
    subprocess.run([sys.executable, str(example), str(picture)], check=True, cwd=tmp_path)
    assert picture.stat().st_size > 1000
