"""Tilts of series: files beside them, the axis of the stage that turned, what is printed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from stemfast.cli import app
from stemfast.reconstruction import read_series
from test_field_files import RAMP, field, signal, write_mrc  # skips without the extra [io]

MDOC = "ImageFile = a.mrc\n" + "".join(
    f"\n[ZValue = {n}]\nTiltAngle = {tilt}\n" for n, tilt in ((1, 0.5), (0, -30.0), (2, 30.0))
)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.mrc.mdoc", MDOC),
        ("a.mdoc", MDOC),
        ("a.rawtlt", "-30\n0.5\n30.0\n"),
        ("a.tlt", "-30\n0.5\n30"),
    ],
)
def test_tilts_stand_in_a_file_beside_the_series(tmp_path: Path, name: str, text: str) -> None:
    stack = write_mrc(tmp_path / "a.mrc", np.stack([RAMP] * 3).astype("<f4"), 2)
    assert read_series([stack]).tilts_deg is None
    (tmp_path / name).write_text(text)
    series = read_series([stack], index=[0, 2])
    assert series.tilts_deg is not None
    assert series.tilts_deg.tolist() == [-30, 30]
    assert series.tilts_from == name
    (tmp_path / name).write_text(text.replace("TiltAngle = 0.5", "").replace("\n0.5", ""))
    other = read_series([stack])
    assert other.tilts_deg is None
    assert other.notes == (f"{name} gives 2 tilts for 3 frames: not used",)


def stage_files(folder: Path, alpha: list[float], beta: list[float]) -> list[Path]:
    hspy = pytest.importorskip("rsciio.hspy")
    files = []
    for n, (first, second) in enumerate(zip(alpha, beta, strict=True)):
        one = signal(RAMP)
        stage = {"tilt_alpha": first, "tilt_beta": second}
        one["metadata"]["Acquisition_instrument"] = {"TEM": {"Stage": stage}}
        files.append(folder / f"{n}.hspy")
        hspy.file_writer(str(files[-1]), one, show_progressbar=False)
    return files


def test_the_axis_of_the_stage_that_turned_gives_the_tilts(tmp_path: Path) -> None:
    still, turned = [0.0, 0.0, 0.0], [-40.0, 0.0, 40.0]
    for alpha, beta, expected, note in (
        (turned, still, turned, None),
        (still, turned, turned, "took tilt_beta"),
        (turned, turned, None, "both change"),
        (still, still, still, "the same tilt for all images"),
    ):
        series = read_series(stage_files(tmp_path, alpha, beta))
        tilts = None if series.tilts_deg is None else series.tilts_deg.tolist()
        assert tilts == expected
        assert (note is None) == (series.notes == ())
        assert note is None or note in series.notes[0]


def test_tilts_of_the_field() -> None:
    expected = [-45, -15, 15, 45]
    for files in (
        [field("tilts/serialem.mrc")],
        [field(f"tilts/b{n}.hspy") for n in range(4)],
    ):
        series = read_series(files)
        assert series.tilts_deg is not None
        assert series.tilts_deg.tolist() == expected


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "tilts: -40, 0, 40 degrees, from tilt_alpha of the stage"),
        (["--no-tilts"], "tilts: none used"),
        (["--tilt", "1", "--tilt", "2", "--tilt", "3"], "tilts: 1, 2, 3 degrees, from --tilt"),
    ],
)
def test_the_tilts_used_are_printed(tmp_path: Path, words: list[str], said: str) -> None:
    files = stage_files(tmp_path, [-40.0, 0.0, 40.0], [0.0] * 3)
    result = CliRunner().invoke(app, ["reconstruct", *map(str, files), *words])
    assert said in " ".join(result.output.split())
