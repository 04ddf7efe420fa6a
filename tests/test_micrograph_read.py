"""Reading micrographs: every format, every calibration, and a message for every bad file."""

from __future__ import annotations

import importlib
import logging
import struct
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stemfast import Image
from stemfast.micrograph import Micrograph, MicrographError
from stemfast.micrograph.files.read import read

pytest.importorskip("rsciio", reason="needs RosettaSciIO, the extra [io]")

DATA = Path(__file__).parents[1].parent / "shared" / "data"
JEOL = DATA / "jeol_haadf_nanoparticles.dm4"
NEEDLE = DATA / "haadf_tilt_series_needle.dm3"
needs_jeol = pytest.mark.skipif(not JEOL.exists(), reason=f"{JEOL.name} is not in ../shared/data")
needs_needle = pytest.mark.skipif(
    not NEEDLE.exists(), reason=f"{NEEDLE.name} is not in ../shared/data"
)

RAMP = np.arange(12 * 17, dtype=np.float32).reshape(12, 17)


def axis(size: int, scale: float = 0.5, units: str | None = "nm", **more: Any) -> dict[str, Any]:
    return {
        "_type": "UniformDataAxis",
        "name": "y",
        "size": size,
        "scale": scale,
        "offset": 0.0,
        "units": units,
        "navigate": False,
        "is_binned": False,
        **more,
    }


def write_signal(
    path: Path, data: np.ndarray, axes: list[dict[str, Any]], title: str = "t"
) -> Path:
    """An .hspy file with any axes; a second call adds a second dataset."""
    signal = {
        "data": data,
        "axes": axes,
        "metadata": {"General": {"title": title}, "Signal": {"signal_type": ""}},
        "original_metadata": {},
        "attributes": {"_lazy": False, "ragged": False},
        "learning_results": {},
        "models": {},
        "package_info": {"package": "x", "package_version": "0"},
        "tmp_parameters": {},
    }
    h5py = importlib.import_module("h5py")
    new = path.with_name("new.hspy")
    importlib.import_module("rsciio.hspy").file_writer(str(new), signal, show_progressbar=False)
    if path.exists():
        with h5py.File(new) as source, h5py.File(path, "a") as target:
            source.copy(f"Experiments/{title}", target["Experiments"])
    else:
        new.rename(path)
    return path


def write_mrc(path: Path, data: np.ndarray, cell_angstrom: float) -> Path:
    """A minimal MRC2014 file of float32 images, cell edges of pixels x `cell_angstrom`."""
    nz, ny, nx = data.shape
    header = bytearray(1024)
    header[:40] = struct.pack("<10i", nx, ny, nz, 2, 0, 0, 0, nx, ny, nz)
    header[40:52] = struct.pack("<3f", nx * cell_angstrom, ny * cell_angstrom, nz * cell_angstrom)
    header[208:212] = b"MAP "
    path.write_bytes(bytes(header) + data.astype("<f4").tobytes())
    return path


@needs_jeol
def test_a_real_dm4_is_read_with_its_calibration(capfd: pytest.CaptureFixture[str]) -> None:
    micrograph = read(JEOL)
    assert micrograph.image.shape == (112, 112)
    assert micrograph.image.dtype == np.float32
    assert micrograph.pixel_size_nm == pytest.approx(1.2490, abs=1e-4)
    assert micrograph.title == "JEOL HAADF Image"
    assert micrograph.notes == ()
    assert capfd.readouterr() == ("", "")
    with pytest.raises(ValueError, match="read-only"):
        micrograph.image[0, 0] = 1.0


@needs_needle
def test_a_real_tilt_series_needs_a_frame_number() -> None:
    with pytest.raises(MicrographError, match=r"a stack of 91 images.*index=0 \.\.\. 90"):
        read(NEEDLE)
    frame = read(NEEDLE, index=45)
    assert frame.image.shape == (64, 64)
    assert frame.pixel_size_nm == pytest.approx(17.995, abs=1e-3)
    assert not np.array_equal(frame.image, read(NEEDLE, index=44).image)


@pytest.mark.parametrize(
    ("units", "scale"),
    [
        ("nm", 0.5),
        ("\u00b5m", 5e-4),
        ("\u03bcm", 5e-4),
        ("um", 5e-4),
        ("\u00c5", 5.0),
        ("\u212b", 5.0),
        ("m", 5e-10),
        ("pm", 500.0),
    ],
)
def test_every_unit_of_length_becomes_nm(tmp_path: Path, units: str, scale: float) -> None:
    file = write_signal(tmp_path / "a.hspy", RAMP, [axis(12, scale, units), axis(17, scale, units)])
    micrograph = read(file)
    assert micrograph.pixel_size_nm == pytest.approx(0.5, rel=1e-12)
    np.testing.assert_array_equal(micrograph.image, RAMP)
    assert micrograph.metadata["file_units"] == [units, units]


@pytest.mark.parametrize(
    ("row", "col", "message"),
    [
        (axis(12, 0.1, "1/nm"), axis(17, 0.1, "1/nm"), "reciprocal units.*expected an image"),
        (axis(12, 0.1, "nm^-1"), axis(17, 0.1, "nm^-1"), "reciprocal units"),
        (axis(12, 0.1, "mrad"), axis(17, 0.1, "mrad"), "angles"),
        (axis(12, 1.0, None), axis(17, 1.0, None), r"no pixel size.*--pixel-size-nm"),
        (axis(12, 1.0, "px"), axis(17, 1.0, "px"), r"no pixel size.*pixel_size_nm="),
        (axis(12, 1.0, "nm"), axis(17, 1.0, None), "only one axis is calibrated"),
        (axis(12, 0.5, "nm"), axis(17, 0.6, "nm"), "not square.*0.5 nm.*0.6 nm"),
        (axis(12, 0.0, "nm"), axis(17, 0.0, "nm"), "expected a positive number"),
        (axis(12, 0.5, "furlong"), axis(17, 0.5, "furlong"), "'furlong', expected a length"),
    ],
)
def test_a_calibration_that_is_none_is_refused(
    tmp_path: Path, row: dict[str, Any], col: dict[str, Any], message: str
) -> None:
    file = write_signal(tmp_path / "a.hspy", RAMP, [row, col])
    with pytest.raises(MicrographError, match=f"a\\.hspy: .*{message}"):
        read(file)


def test_the_callers_pixel_size_wins_and_says_so(tmp_path: Path) -> None:
    file = Image(RAMP, 0.5, title="t").save(tmp_path / "a.hspy")
    micrograph = read(file, pixel_size_nm=0.7)
    assert micrograph.pixel_size_nm == 0.7
    assert micrograph.notes == ("pixel size 0.7 nm as given, in place of the file's 0.5 nm",)
    assert micrograph.metadata["given_pixel_size_nm"] == 0.7
    assert read(file, pixel_size_nm=0.5).notes == ()
    bare = write_signal(tmp_path / "b.hspy", RAMP, [axis(12, 1.0, None), axis(17, 1.0, None)])
    assert read(bare, pixel_size_nm=0.7).pixel_size_nm == 0.7


@pytest.mark.parametrize("size", [0.0, -1.0, np.nan, np.inf])
def test_a_pixel_size_must_be_positive(tmp_path: Path, size: float) -> None:
    np.save(tmp_path / "a.npy", RAMP)
    with pytest.raises(MicrographError, match="pixel_size_nm: expected a positive number"):
        read(tmp_path / "a.npy", pixel_size_nm=size)


def test_arrays_and_pictures_need_a_pixel_size(tmp_path: Path) -> None:
    from PIL import Image as Picture

    np.save(tmp_path / "a.npy", RAMP)
    deep = (RAMP * 200).astype(np.uint16)
    Picture.fromarray(deep).save(tmp_path / "b.png")
    grey = np.repeat(RAMP.astype(np.uint8)[..., np.newaxis], 3, axis=2)
    Picture.fromarray(grey).save(tmp_path / "c.png")
    for name, expected in (("a.npy", RAMP), ("b.png", deep), ("c.png", grey[..., 0])):
        with pytest.raises(MicrographError, match=r"no pixel size.*--pixel-size-nm"):
            read(tmp_path / name)
        micrograph = read(tmp_path / name, pixel_size_nm=0.4)
        np.testing.assert_array_equal(micrograph.image, expected)
        assert micrograph.pixel_size_nm == 0.4


def test_colour_pictures_are_refused(tmp_path: Path) -> None:
    from PIL import Image as Picture

    colours = np.random.default_rng(0).integers(0, 255, (12, 17, 3), dtype=np.uint8)
    Picture.fromarray(colours).save(tmp_path / "a.png")
    importlib.import_module("tifffile").imwrite(tmp_path / "a.tif", colours, photometric="rgb")
    for name in ("a.png", "a.tif"):
        with pytest.raises(MicrographError, match="colour.*expected one channel"):
            read(tmp_path / name, pixel_size_nm=1.0)


def test_tiff_as_imagej_and_digital_micrograph_write_it(tmp_path: Path) -> None:
    tifffile = importlib.import_module("tifffile")
    tifffile.imwrite(
        tmp_path / "a.tif",
        RAMP,
        imagej=True,
        resolution=(2.0, 2.0),
        metadata={"unit": "nm"},
    )
    micrograph = read(tmp_path / "a.tif")
    assert micrograph.pixel_size_nm == pytest.approx(0.5)
    np.testing.assert_array_equal(micrograph.image, RAMP)
    tifffile.imwrite(tmp_path / "b.tif", RAMP)
    with pytest.raises(MicrographError, match="no pixel size"):
        read(tmp_path / "b.tif")


def test_mrc_with_and_without_a_cell(tmp_path: Path) -> None:
    stack = np.stack([RAMP, RAMP[::-1]])
    frame = read(write_mrc(tmp_path / "a.mrc", stack, 5.0), index=1)
    np.testing.assert_array_equal(frame.image, RAMP[::-1])
    assert frame.pixel_size_nm == pytest.approx(0.5)
    single = read(write_mrc(tmp_path / "b.mrc", stack[:1], 5.0))
    np.testing.assert_array_equal(single.image, RAMP)
    with pytest.raises(MicrographError, match="no pixel size"):
        read(write_mrc(tmp_path / "c.mrc", stack[:1], 0.0))


def test_emd_is_read(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="writes the .emd file")
    with h5py.File(tmp_path / "a.emd", "w") as file:
        file.attrs["version_major"], file.attrs["version_minor"] = 0, 2
        group = file.create_group("data/image")
        group.attrs["emd_group_type"] = 1
        group["data"] = RAMP.T  # the format stores x first
        for n, size in enumerate(RAMP.T.shape, start=1):
            dim = group.create_dataset(f"dim{n}", data=np.arange(size) * 0.5)
            dim.attrs["name"], dim.attrs["units"] = "xy"[n - 1], "[n_m]"
    micrograph = read(tmp_path / "a.emd")
    assert micrograph.pixel_size_nm == pytest.approx(0.5)
    np.testing.assert_array_equal(micrograph.image, RAMP)


def test_stacks(tmp_path: Path) -> None:
    stack = np.stack([RAMP, RAMP + 7, RAMP[::-1]])
    axes = [axis(3, 1.0, None, navigate=True), axis(12), axis(17)]
    file = write_signal(tmp_path / "a.hspy", stack, axes)
    np.testing.assert_array_equal(read(file, index=2).image, RAMP[::-1])
    with pytest.raises(
        MicrographError, match=r"a stack of 3 images: say which with index=0 \.\.\. 2"
    ):
        read(file)
    for index in (3, -1):
        with pytest.raises(MicrographError, match=rf"index: got {index}, expected 0 \.\.\. 2"):
            read(file, index=index)
    with pytest.raises(TypeError, match="index: expected a frame number"):
        read(file, index=1.0)  # type: ignore[arg-type]
    one = write_signal(
        tmp_path / "b.hspy", stack[:1], [axis(1, 1.0, None, navigate=True), axis(12), axis(17)]
    )
    np.testing.assert_array_equal(read(one).image, RAMP)
    with pytest.raises(MicrographError, match="index: got 1, but the file holds one image"):
        read(one, index=1)


def test_data_that_are_no_image_are_refused(tmp_path: Path) -> None:
    scanned = {"navigate": True}
    cube = np.random.default_rng(1).random((9, 10, 11))
    spectra = write_signal(
        tmp_path / "a.hspy", cube, [axis(9, **scanned), axis(10, **scanned), axis(11, 0.01, "keV")]
    )
    with pytest.raises(MicrographError, match=r"the data are spectra of shape \(9, 10, 11\)"):
        read(spectra)
    line = write_signal(tmp_path / "b.hspy", cube[0, 0], [axis(11, 0.01, "keV")])
    with pytest.raises(MicrographError, match="a spectrum or a single row"):
        read(line)
    four = write_signal(
        tmp_path / "c.hspy", cube[np.newaxis].repeat(2, 0), [axis(2), axis(9), axis(10), axis(11)]
    )
    with pytest.raises(MicrographError, match="4 dimensions.*expected an image"):
        read(four, index=0)


def test_a_file_of_several_datasets(tmp_path: Path) -> None:
    file = tmp_path / "a.hspy"
    axes = [axis(12), axis(17)]
    write_signal(file, RAMP, axes, "BF")
    write_signal(file, RAMP + 1, axes, "CF")
    with pytest.raises(MicrographError, match=r"2 datasets \[0: BF.*say which with dataset="):
        read(file)
    np.testing.assert_array_equal(read(file, dataset="CF").image, RAMP + 1)
    for number in (0, "0"):
        np.testing.assert_array_equal(read(file, dataset=number).image, RAMP)
    write_signal(file, RAMP + 3, axes, "DF4")
    np.testing.assert_array_equal(read(file).image, RAMP + 3)
    with pytest.raises(MicrographError, match="'EDS' is not the title of one of"):
        read(file, dataset="EDS")
    with pytest.raises(MicrographError, match="dataset: got 3"):
        read(file, dataset=3)
    write_signal(file, RAMP + 2, axes, "HAADF")
    chosen = read(file)
    np.testing.assert_array_equal(chosen.image, RAMP + 2)
    assert "took dataset 3" in chosen.notes[0]


def test_names_that_are_no_file(tmp_path: Path) -> None:
    with pytest.raises(MicrographError, match=r"nothing\.dm4: no such file"):
        read(tmp_path / "nothing.dm4")
    with pytest.raises(MicrographError, match="a directory, expected a micrograph file"):
        read(tmp_path)
    (tmp_path / "a.docx").write_bytes(b"x")
    with pytest.raises(MicrographError, match=r"unknown file type '\.docx', expected one of \.dm3"):
        read(tmp_path / "a.docx")
    with pytest.raises(TypeError, match="path: expected a file name, got int"):
        read(7)  # type: ignore[arg-type]


SUFFIXES = ["dm3", "dm4", "emd", "mrc", "hspy", "tif", "ser", "npy", "png"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_text_and_empty_files_are_refused(
    tmp_path: Path, suffix: str, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / f"a.{suffix}"
    file.write_text("this is not an image\n" * 100)
    with pytest.raises(
        MicrographError, match=f"a\\.{suffix}: cannot be read as a \\.{suffix} file"
    ):
        read(file, pixel_size_nm=1.0)
    file.write_bytes(b"")
    with pytest.raises(MicrographError, match=r"the file is empty \(0 bytes\)"):
        read(file, pixel_size_nm=1.0)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", ["mrc", "hspy", "tif", "npy", "png"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_truncated_files_are_refused(tmp_path: Path, suffix: str, share: float) -> None:
    from PIL import Image as Picture

    rough = np.random.default_rng(2).integers(0, 60000, (90, 80), dtype=np.uint16)
    file = tmp_path / f"a.{suffix}"
    if suffix == "mrc":
        write_mrc(file, rough[np.newaxis], 5.0)
    elif suffix == "hspy":
        Image(rough, 0.5, title="t").save(file)
    elif suffix == "tif":
        importlib.import_module("tifffile").imwrite(file, rough)
    elif suffix == "npy":
        np.save(file, rough)
    else:
        Picture.fromarray(rough).save(file)
    assert read(file, pixel_size_nm=1.0).image.shape == (90, 80)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(MicrographError, match=r"a\.\w+: .*expected a complete"):
        read(file, pixel_size_nm=1.0)


@needs_jeol
@pytest.mark.parametrize("length", [3, 60, 30_000, 300_000, 600_000])
def test_a_truncated_dm4_is_refused(tmp_path: Path, length: int) -> None:
    file = tmp_path / "a.dm4"
    file.write_bytes(JEOL.read_bytes()[:length])
    with pytest.raises(MicrographError, match="cannot be read as a .dm4 file.*truncated"):
        read(file)


def bad_images() -> list[tuple[np.ndarray, str]]:
    hole = RAMP.copy()
    hole[3, 4] = np.nan
    infinite = RAMP.copy()
    infinite[3, 4:6] = np.inf
    return [
        (hole, "1 of 204 pixels are NaN or infinite"),
        (infinite, "2 of 204 pixels are NaN or infinite"),
        (RAMP.astype(np.float64) * 1e40, "pixels are NaN or infinite"),
        (np.full((12, 17), 3.0), r"every pixel has the same value \(3\)"),
        (RAMP * 1j, "complex64 values, expected real numbers"),
        (RAMP[:5], "5 x 17 pixels, expected at least 8 x 8"),
        (RAMP.ravel(), "a spectrum or a single row"),
        (np.array([["a"] * 17] * 12), "expected real numbers"),
    ]


@pytest.mark.parametrize(("image", "message"), bad_images())
def test_bad_pixels_are_refused(tmp_path: Path, image: np.ndarray, message: str) -> None:
    np.save(tmp_path / "a.npy", image)
    with pytest.raises(MicrographError, match=f"a\\.npy: .*{message}"):
        read(tmp_path / "a.npy", pixel_size_nm=1.0)


def test_a_micrograph_checks_itself() -> None:
    with pytest.raises(MicrographError, match="3 dimensions"):
        Micrograph(np.zeros((3, 12, 17)), 0.5)
    with pytest.raises(TypeError, match="pixel_size_nm: expected a number"):
        Micrograph(RAMP, "0.5")  # type: ignore[arg-type]
    assert Micrograph(RAMP, 0.5).field_nm == (6.0, 8.5)


def test_without_rosettasciio_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Image(RAMP, 0.5, title="t").save(tmp_path / "a.hspy")
    monkeypatch.setitem(sys.modules, "rsciio", None)
    with pytest.raises(MicrographError, match=r'pip install "stemfast\[io\]"'):
        read(file)


def test_what_the_reader_says_is_kept_but_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    file = Image(RAMP, 0.5, title="t").save(tmp_path / "a.hspy")
    module = importlib.import_module("rsciio.hspy")
    real = module.file_reader

    def talkative(name: str) -> Any:
        warnings.warn("the stage was moving", UserWarning, stacklevel=1)
        logging.getLogger("rsciio.hspy").warning("no detector named")
        return real(name)

    monkeypatch.setattr(module, "file_reader", talkative)
    assert read(file).notes == (
        ".hspy reader: no detector named",
        ".hspy reader: the stage was moving",
    )
    assert capfd.readouterr() == ("", "")

    def failing(name: str) -> Any:
        logging.getLogger("tifffile").error("half of the strips are missing")
        return real(name)

    monkeypatch.setattr(module, "file_reader", failing)
    with pytest.raises(MicrographError, match="is damaged.*half of the strips are missing"):
        read(file)
