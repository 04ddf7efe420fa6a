"""``stemfast find``: files written, many files, scale and contrast, mistakes."""

from __future__ import annotations

import csv
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy import ndimage
from typer.testing import CliRunner

import stemfast as sf
from stemfast.cli import app
from stemfast.cli.find import micrographs
from stemfast.finding import files, find
from stemfast.image import Image
from stemfast.micrograph import simulated_field

pytest.importorskip("skimage", reason="needs scikit-image, the extra [io]")
FIELD = Path(__file__).parents[2] / "shared" / "data" / "field"
FILES = {"particles.csv", "labels.tif", "overlay.png", "sizes.png"}


@pytest.fixture(scope="module")
def pixels():
    return np.asarray(simulated_field(2, n_particles=10).image)


@pytest.fixture
def folder(pixels, tmp_path):
    where = tmp_path / "images"
    where.mkdir()
    np.save(where / "a.npy", pixels)
    Image(pixels, 0.8).save(where / "b.tif")
    np.save(where / "b.npy", pixels.max() - pixels)
    return where


def run(*arguments):
    return CliRunner().invoke(app, ["find", *map(str, arguments), "--method", "classical"])


def rows_of(table):
    with table.open() as lines:
        return list(csv.DictReader(lines))


def test_one_file_gives_table_labels_and_pictures(folder, tmp_path, pixels):
    out = tmp_path / "out"
    result = run(folder / "b.tif", "--out", out)
    assert result.exit_code == 0, result.output
    assert {file.name for file in out.iterdir()} == FILES
    rows = rows_of(out / "particles.csv")
    labels = tifffile.imread(out / "labels.tif")
    assert labels.dtype == np.int32
    assert labels.shape == pixels.shape
    assert len(rows) == labels.max() == 10
    for row in rows:
        mine = labels == int(row["particle"])
        at = np.argwhere(mine)
        assert int(row["top_px"]) == at[:, 0].min()
        assert int(row["right_px"]) == at[:, 1].max() + 1
        assert row["unit"] == "nm"
        assert float(row["area_nm2"]) == pytest.approx(0.64 * float(row["area_px2"]), rel=1e-4)
        assert 0.5 <= float(row["confidence"]) <= 1.0
        assert row["on_border"] in ("true", "false")
    assert "0.8 nm/px from the file" in result.output


def test_without_a_scale_sizes_are_in_px_and_never_in_nm(folder, tmp_path):
    result = run(folder / "a.npy", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "no scale: sizes are in px" in result.output
    assert "--pixel-size-nm" in result.output
    rows = rows_of(tmp_path / "out" / "particles.csv")
    assert {row["unit"] for row in rows} == {"px"}
    assert not [name for name in rows[0] if "nm" in name]


def test_many_files_have_one_table_and_a_folder_each(folder, tmp_path):
    out = tmp_path / "out"
    result = run(folder / "*.npy", folder, "--out", out)
    assert result.exit_code == 0, result.output
    rows = rows_of(out / "particles.csv")
    by_file = {name: [r for r in rows if r["file"].endswith(name)] for name in ("a.npy", "b.tif")}
    assert {r["unit"] for r in by_file["a.npy"]} == {"px"}
    assert all(r["area_nm2"] == "" for r in by_file["a.npy"])
    assert all(float(r["area_nm2"]) > 0 for r in by_file["b.tif"])
    assert (out / "sizes.png").is_file()
    assert {path.name for path in out.iterdir() if path.is_dir()} == {"a", "b.npy", "b.tif"}
    for inside in ("a", "b.npy", "b.tif"):
        assert {f.name for f in (out / inside).iterdir()} == FILES - {"particles.csv"}
    dark = tifffile.imread(out / "b.npy" / "labels.tif")
    assert dark.max() == 10


def test_a_file_that_cannot_be_read_is_told_and_the_others_go_on(folder, tmp_path):
    (folder / "broken.tif").write_bytes(b"no image at all")
    result = run(folder, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "broken.tif: left out" in result.output
    assert "1 of 4 files left out" in result.output
    assert {Path(row["file"]).name for row in rows_of(tmp_path / "out" / "particles.csv")} == {
        "a.npy",
        "b.npy",
        "b.tif",
    }


MISTAKES = {
    "no such file": (["{}/c.npy"], "there is no file"),
    "nearly": (["{}/a.npz"], "did you mean"),
    "no name": ([""], "FILE is ''"),
    "no match": (["{}/*.dm4"], "no file matches"),
    "contrast": (["{}/a.npy", "--contrast", "brigth"], "did you mean bright"),
    "scale bar": (["{}/a.npy", "--scale-bar", "50"], "--scale-bar is '50'"),
    "unit": (["{}/a.npy", "--scale-bar", "50 parsec"], "expected a length with its unit"),
    "both": (["{}/a.npy", "--scale-bar", "5nm", "--pixel-size-nm", "1"], "got both"),
    "pixel size": (["{}/a.npy", "--pixel-size-nm", "-1"], "--pixel-size-nm is -1"),
    "probe": (["{}/a.npy", "--probe-fwhm-nm", "nan"], "--probe-fwhm-nm is nan"),
    "no bar": (["{}/a.npy", "--scale-bar", "5nm"], "no scale bar is seen"),
    "index": (["{}/a.npy", "--index", "3"], "--index"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_mistakes_are_answered_and_nothing_is_written(folder, tmp_path, what):
    words, said = MISTAKES[what]
    result = run(*(word.format(folder) for word in words), "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert said in result.output
    assert not (tmp_path / "out").exists()


def test_a_folder_is_not_written_over_a_file(folder, tmp_path):
    (tmp_path / "out").write_text("mine")
    result = run(folder / "a.npy", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert (tmp_path / "out").read_text() == "mine"


def test_an_empty_field_gives_empty_files(tmp_path):
    np.save(tmp_path / "film.npy", np.random.default_rng(0).normal(100, 3, (96, 96)))
    result = run(tmp_path / "film.npy", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "no particles" in result.output
    assert rows_of(tmp_path / "out" / "particles.csv") == []
    assert tifffile.imread(tmp_path / "out" / "labels.tif").max() == 0


def test_ctrl_c_leaves_earlier_results(folder, tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    (out / "particles.csv").write_text("of yesterday")

    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "draw_sizes", stopped)
    result = run(folder / "a.npy", "--out", out)
    assert result.exit_code == 130
    assert [file.name for file in out.iterdir()] == ["particles.csv"]
    assert (out / "particles.csv").read_text() == "of yesterday"


def test_names_patterns_and_folders_are_files_once(folder):
    found = micrographs([str(folder / "a.npy"), str(folder / "?.npy"), str(folder)])
    assert [path.name for path in found] == ["a.npy", "b.npy", "b.tif"]
    (folder / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no file"):
        micrographs([str(folder / "empty")])


def test_help_comes_at_once():
    start = time.process_time()
    subprocess.run(
        [sys.executable, "-m", "stemfast", "find", "--help"], check=True, capture_output=True
    )
    script = "import sys, stemfast.cli; print('jax' in sys.modules or 'skimage' in sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert loaded.stdout.strip() == "False"
    assert time.process_time() >= start


def test_hyperspy_signals_and_images_bring_their_scale(pixels):
    signals = pytest.importorskip("hyperspy.api").signals
    signal = signals.Signal2D(pixels)
    for axis in signal.axes_manager.signal_axes:
        axis.scale, axis.units = 0.0008, "µm"
    found = sf.find(signal, method="classical")
    assert found.pixel_size_nm == pytest.approx(0.8)
    again = sf.find(Image(pixels, 0.8), method="classical")
    assert again.unit == "nm"
    assert [one.area for one in found] == [one.area for one in again]
    assert sf.find(signals.Signal2D(pixels), method="classical").unit == "px"
    with pytest.raises(ValueError, match="expected one image"):
        sf.find(signals.Signal1D(pixels))


def test_labels_corrected_by_hand_go_on(pixels, tmp_path):
    found = sf.find(pixels, 0.8, method="classical")
    edited = np.array(found.labels)
    edited[edited == 3] = 0
    edited[edited == 5] = 77
    tifffile.imwrite(tmp_path / "labels.tif", edited.astype(np.uint16))
    again = sf.find(pixels, 0.8, labels=tmp_path / "labels.tif")
    assert again.method == "labels"
    assert len(again) == len(found) - 1
    assert any("numbered 1 to 9 anew" in note for note in again.notes)
    # The one number that was the last now is the last again.
    assert again[-1].bbox == found[4].bbox
    mask = np.uint8(255) * (found.labels > 0)
    pieces = ndimage.label(mask, np.ones((3, 3)))[1]  # particles that touch are one in a mask
    assert 5 <= pieces < len(found)
    assert len(sf.find(pixels, 0.8, labels=mask)) == pieces
    with pytest.raises(ValueError, match="the image's rows and columns"):
        sf.find(pixels, 0.8, labels=edited[:-1])
    with pytest.raises(ValueError, match="fractions"):
        sf.find(pixels, 0.8, labels=edited + 0.5)


def test_unknown_choices_are_refused(pixels):
    with pytest.raises(ValueError, match="contrast is 'light'"):
        sf.find(pixels, contrast="light")
    with pytest.raises(ValueError, match="did you mean classical"):
        sf.find(pixels, method="clasical")
    with pytest.raises(TypeError, match="for files"):
        sf.find(pixels, index=1)
    assert find.__doc__


RIGHT = {
    "F_signedbyte.mrc": 16,
    "H_onehot.npy": 16,
    "H_brightline.npy": 16,
    "K_databar.png": 16,
    "M_rgb_grey.tif": 16,
    "M_minwhite.tif": 16,
    "G_micron.hspy": 16,
    "D_imagej_A.tif": 16,
}


@pytest.mark.skipif(not FIELD.is_dir(), reason="../shared/data/field is not at hand")
@pytest.mark.parametrize("name", RIGHT)
def test_field_files(name):
    assert len(sf.find(FIELD / name, contrast="bright", method="classical")) == RIGHT[name]


@pytest.mark.skipif(not FIELD.is_dir(), reason="../shared/data/field is not at hand")
def test_letters_of_a_real_image_are_no_particles():
    found = sf.find(FIELD / "emps_de1d3f1409.png", scale_bar_nm=50.0, method="classical")
    assert found.pixel_size_nm == pytest.approx(0.253, rel=0.02)
    masked = [one for one in found if one.centroid[0] > 440 and one.centroid[1] > 280]
    assert masked == []
    assert len(found) < 12
