"""Every example that draws runs as its first lines say and leaves its picture."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = [
    path
    for path in sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
    if ".png]" in path.read_text(encoding="utf-8")
]
#: Arguments that make an example of many particles shorter.
SHORT = {"feature_accuracy": ["6"]}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(example, tmp_path):
    picture = tmp_path / "picture.png"
    copied = shutil.copy(example, tmp_path)  # away from ../shared/data, whose particles take long
    subprocess.run(
        [sys.executable, copied, str(picture), *SHORT.get(example.stem, [])],
        check=True,
        cwd=tmp_path,
    )
    assert picture.stat().st_size > 1000
