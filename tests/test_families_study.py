"""The study of families: readings that are kept, tables and the picture of confusions."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from stemfast.cli import app
from stemfast.studies.families.tables import confusions
from stemfast.studies.families.trial import read_families


def test_a_study_reads_goes_on_and_draws(tmp_path):
    file, picture = tmp_path / "study.jsonl", tmp_path / "confusion.png"
    words = ["study", "families", "-n", "1", "--task", "1 image", "--only", "--out", str(file)]
    words += ["--family", "octahedron", "--family", "cube", "--picture", str(picture)]
    first = CliRunner().invoke(app, words)
    assert first.exit_code == 0, first.output
    assert "| 1 image | 2 | 100.0" in first.output
    assert picture.read_bytes()[:4] == b"\x89PNG"
    before = file.read_text()
    names = ["octahedron", "cube"]
    readings = read_families(names, ["1 image"], 1, path=file, rivals=names)
    assert file.read_text() == before  # what is there is not done again
    assert confusions(readings) == {("octahedron", "octahedron"): 1, ("cube", "cube"): 1}
    for reading in readings:
        # Two-sided at five standard errors, one length each: by chance once in a million.
        (name,) = [one for one in reading.off if one.startswith(("half", "distance"))]
        assert abs(reading.off[name]) < 5 * reading.sd[name]


@pytest.mark.parametrize("study", ["families", "match", "confidence"])
def test_a_record_of_something_else_is_refused_by_name(tmp_path, study):
    file = tmp_path / "a.npy"
    np.save(file, np.arange(300, dtype=">f8"))
    before = file.read_bytes()
    result = CliRunner().invoke(app, ["study", study, "--out", str(file)])
    assert result.exit_code == 2
    assert (
        f"a.npy is no record of stemfast {'' if study == 'confidence' else 'study '}"
        in result.stderr
    )
    assert file.read_bytes() == before


def test_tasks_that_are_none_are_refused(tmp_path):
    with pytest.raises(ValueError, match="tasks: got '3 blinks'"):
        read_families(["cube"], ["3 blinks"], 1, path=tmp_path / "x.jsonl")
