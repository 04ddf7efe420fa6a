"""Files as people have them: of each kind a made one, and the real one of the field where it is."""

from __future__ import annotations

import json
import shutil
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import stemfast as sf
from stemfast.cli import app
from stemfast.micrograph import MicrographError, find_particles, read
from stemfast.micrograph.files.calibration import nm_per_unit

pytest.importorskip("rsciio", reason="needs RosettaSciIO, the extra [io]")
tifffile = pytest.importorskip("tifffile", reason="writes the .tif files")

FIELD = Path(__file__).parents[1].parent / "shared" / "data" / "field"
RAMP = np.arange(12 * 17, dtype=np.float32).reshape(12, 17)
GREY = np.repeat(RAMP.astype(np.uint8)[..., np.newaxis], 3, axis=2)


def field(name: str) -> Path:
    if not (FIELD / name).exists():
        pytest.skip(f"{name} is not in ../shared/data/field")
    return FIELD / name


def signal(data: np.ndarray, scale: float = 0.5, units: str | None = "nm") -> dict[str, Any]:
    """A signal for RosettaSciIO's writers; axes before the last two are of a stack."""
    axes = [
        {
            "_type": "UniformDataAxis",
            "name": name,
            "size": size,
            "scale": scale,
            "offset": 0.0,
            "units": units,
            "navigate": n < data.ndim - 2,
            "is_binned": False,
            "index_in_array": n,
        }
        for n, (name, size) in enumerate(zip("tzyx"[-data.ndim :], data.shape, strict=True))
    ]
    return {
        "data": data,
        "axes": axes,
        "metadata": {"General": {"title": "HAADF"}, "Signal": {"signal_type": ""}},
        "original_metadata": {},
        "attributes": {"_lazy": False, "ragged": False},
        "learning_results": {},
        "models": {},
        "package_info": {"package": "x", "package_version": "0"},
        "tmp_parameters": {},
    }


def write_mrc(path: Path, data: np.ndarray, mode: int, cell: float = 5.0, **words: int) -> Path:
    """An MRC file with cell edges of pixels x `cell` Å; `words` go to byte offsets b0, b4, ..."""
    nz, ny, nx = data.shape
    header = bytearray(1024)
    header[:40] = struct.pack("<10i", nx, ny, nz, mode, 0, 0, 0, nx, ny, nz)
    header[40:52] = struct.pack("<3f", nx * cell, ny * cell, nz * cell)
    for offset, word in words.items():
        header[int(offset[1:]) : int(offset[1:]) + 4] = struct.pack("<i", word)
    path.write_bytes(bytes(header) + data.tobytes())
    return path


def write_zspy(path: Path, data: np.ndarray) -> Path:
    """A store as HyperSpy writes it, by hand: RosettaSciIO's writer needs zarr 2."""
    import tensorstore

    group = path / "Experiments" / "HAADF"
    array = {
        "driver": "zarr",
        "kvstore": {"driver": "file", "path": f"{group / 'data'}/"},
        "metadata": {"shape": data.shape, "dtype": data.dtype.str, "chunks": [8, 8]},
    }
    tensorstore.open(array, create=True).result().write(data).result()
    nodes: dict[str, dict[str, Any]] = {".": {}, "metadata": {}}
    nodes |= {f"axis-{n}": axis for n, axis in enumerate(signal(data)["axes"])}
    nodes["metadata/General"] = {"title": "HAADF"}
    for name, attributes in nodes.items():
        (group / name).mkdir(parents=True, exist_ok=True)
        (group / name / ".zgroup").write_text('{"zarr_format": 2}')
        (group / name / ".zattrs").write_text(json.dumps(attributes))
    return path


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("nexus", "a.nxs"),
        ("nexus", "a.h5"),
        ("hspy", "a.hdf5"),
        ("emd", "a.emd"),
        ("semper", "a.unf"),
        ("ripple", "a.rpl"),
    ],
)
def test_what_rosettasciio_writes_is_read(tmp_path: Path, package: str, name: str) -> None:
    writer = pytest.importorskip(f"rsciio.{package}").file_writer
    more = {"show_progressbar": False} if package == "hspy" else {}
    plain = tmp_path / ("a.hspy" if package == "hspy" else name)
    writer(str(plain), signal(RAMP), **more)
    plain.rename(tmp_path / name)
    micrograph = read(tmp_path / name)
    np.testing.assert_array_equal(micrograph.image, RAMP)
    assert micrograph.pixel_size_nm == pytest.approx(0.5)


def test_hdf5_without_a_description_is_read_with_a_pixel_size(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["scan/bf"], file["scan/adf"], file["energies"] = RAMP + 1, RAMP, np.arange(9.0)
    with pytest.raises(MicrographError, match="no pixel size in the file"):
        read(tmp_path / "a.h5")
    np.testing.assert_array_equal(read(tmp_path / "a.h5", pixel_size_nm=0.5).image, RAMP)


def test_the_virtual_image_of_a_blockfile_is_read(tmp_path: Path) -> None:
    patterns = np.random.default_rng(0).integers(0, 255, (9, 10, 12, 12), dtype=np.uint8)
    virtual = patterns[..., 5, 5]
    writer = pytest.importorskip("rsciio.blockfile").file_writer
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of units that the writer does not know
        writer(
            str(tmp_path / "a.blo"),
            signal(patterns, units=None),
            navigator=virtual,
            show_progressbar=False,
        )
    micrograph = read(tmp_path / "a.blo", pixel_size_nm=2.0)
    np.testing.assert_array_equal(micrograph.image, virtual)
    with pytest.raises(MicrographError, match="diffraction patterns at the points of a scan"):
        read(tmp_path / "a.blo", pixel_size_nm=2.0, dataset=1)


@pytest.mark.parametrize("packed", [False, True])
def test_a_zarr_store_of_hyperspy_is_read(tmp_path: Path, packed: bool) -> None:
    pytest.importorskip("tensorstore", reason="reads .zspy, the extra [zarr]")
    store = write_zspy(tmp_path / "a.zspy", RAMP)
    if packed:
        with zipfile.ZipFile(tmp_path / "b.zspy", "w") as file:
            for path in sorted(store.rglob("*")):
                file.write(path, path.relative_to(store))
        store = tmp_path / "b.zspy"
    micrograph = read(store)
    np.testing.assert_array_equal(micrograph.image, RAMP)
    assert (micrograph.pixel_size_nm, micrograph.title) == (0.5, "HAADF")


@pytest.mark.parametrize(
    ("suffix", "tolerance"), [("jpg", 4), ("jpeg", 4), ("bmp", 0), ("webp", 4)]
)
@pytest.mark.parametrize("colour", [False, True])
def test_pictures_are_read(tmp_path: Path, suffix: str, tolerance: int, colour: bool) -> None:
    from PIL import Image as Picture

    smooth = np.repeat(np.arange(0, 240, 10, dtype=np.uint8)[np.newaxis], 16, axis=0)
    pixels = np.repeat(smooth[..., np.newaxis], 3, axis=2) if colour else smooth
    Picture.fromarray(pixels).save(tmp_path / f"a.{suffix}", quality=95)
    image = read(tmp_path / f"a.{suffix}", pixel_size_nm=0.5).image
    np.testing.assert_allclose(image, smooth, atol=tolerance)


def test_the_scale_of_a_png_that_stemfast_wrote_is_read(tmp_path: Path) -> None:
    file = sf.Image(RAMP, 0.35).save(tmp_path / "a.png")
    assert read(file).pixel_size_nm == 0.35


@pytest.mark.parametrize(("library", "source"), [("sparse", r'"stemfast\[io\]"'), ("mrcz", "mrcz")])
def test_a_library_that_is_missing_is_named_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, source: str
) -> None:
    module = pytest.importorskip("rsciio.emd")

    def reader(name: str, **options: Any) -> None:
        raise ModuleNotFoundError(f"The {library!r} library was not found. It must be installed.")

    monkeypatch.setattr(module, "file_reader", reader)
    (tmp_path / "a.emd").write_bytes(b"whole")
    said = f"needs the package {library!r}: pip install {source}"
    with pytest.raises(MicrographError, match=said) as error:
        read(tmp_path / "a.emd")
    assert "truncated" not in str(error.value)


def test_the_image_of_a_spectrum_image_is_read() -> None:
    micrograph = read(field("velox_SI_16x16.emd"))
    assert micrograph.title == "HAADF"
    assert micrograph.image.shape == (16, 16)
    assert micrograph.pixel_size_nm == pytest.approx(3.599, abs=1e-3)


def test_of_several_signals_the_image_is_chosen_by_content(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a_fft"], file["b_blank"], file["c"] = (
            RAMP * 1j,
            np.ones((12, 17)),
            np.tile(RAMP, (2, 2)),
        )
        file["d_preview"] = RAMP
    chosen = read(tmp_path / "a.h5", pixel_size_nm=0.5)
    assert chosen.image.shape == (24, 34)
    assert "took dataset 2 of" in chosen.notes[0]
    assert read(field("olympus_SIS.tif")).pixel_size_nm == pytest.approx(0.023928)


def test_a_dataset_is_chosen_by_number_on_the_command_line() -> None:
    file = field("16x16_STEM_BF_DF_acquire.emi")
    assert read(file, dataset="0").image.max() == 3
    assert read(file, dataset="1").image.min() == 2549
    result = CliRunner().invoke(app, ["classify", str(file)])
    assert result.exit_code == 2
    assert "say which with --dataset" in " ".join(result.output.split())


def test_pages_appended_one_by_one_are_a_stack(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for n in range(3):
            file.write(RAMP + n, contiguous=False)
    np.testing.assert_array_equal(
        read(tmp_path / "a.tif", index=2, pixel_size_nm=0.5).image, RAMP + 2
    )
    assert read(field("P_write3.tif"), index=2, pixel_size_nm=0.8).image.shape == (400, 400)


@pytest.mark.parametrize("values", [np.uint8, np.uint16, np.float32])
def test_white_is_zero_is_inverted_and_said(tmp_path: Path, values: type) -> None:
    tifffile.imwrite(tmp_path / "a.tif", RAMP.astype(values), photometric="miniswhite")
    micrograph = read(tmp_path / "a.tif", pixel_size_nm=0.5)
    top = 0 if values is np.float32 else np.iinfo(values).max
    np.testing.assert_array_equal(micrograph.image, top - RAMP)
    assert "white is zero" in micrograph.notes[0]


@pytest.mark.parametrize("alpha", [False, True])
def test_a_colour_tiff_of_equal_channels_is_grey(tmp_path: Path, alpha: bool) -> None:
    opaque = np.full((12, 17, 1), 255, np.uint8)
    pixels = np.concatenate([GREY, opaque], axis=2) if alpha else GREY
    tifffile.imwrite(
        tmp_path / "a.tif",
        pixels,
        photometric="rgb",
        extrasamples=["unassalpha"] if alpha else None,
    )
    np.testing.assert_array_equal(read(tmp_path / "a.tif", pixel_size_nm=0.5).image, RAMP)


@pytest.mark.parametrize(("size", "unit"), [(0.5, "nm"), (5.0, "Å"), (5e-4, None)])
def test_the_scale_of_an_ome_tiff_is_read(tmp_path: Path, size: float, unit: str | None) -> None:
    said: dict[str, Any] = {"PhysicalSizeX": size, "PhysicalSizeY": size}
    if unit:
        said |= {"PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": unit}
    tifffile.imwrite(tmp_path / "a.ome.tif", RAMP, ome=True, metadata={"axes": "YX", **said})
    assert read(tmp_path / "a.ome.tif").pixel_size_nm == pytest.approx(0.5)


@pytest.mark.parametrize("unit", [r"\u00C5", "angstrom", "Angstroms"])
def test_the_unit_that_imagej_escaped_is_read(tmp_path: Path, unit: str) -> None:
    text = f"ImageJ=1.53t\nunit={unit}\n"
    tifffile.imwrite(
        tmp_path / "a.tif", RAMP, resolution=(0.2, 0.2), description=text, metadata=None
    )
    assert read(tmp_path / "a.tif").pixel_size_nm == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("unit", "size"),
    [
        ("microns", 1e3),
        ("Micrometers", 1e3),
        ("\u00c2\u00b5m", 1e3),
        ("&micro;m", 1e3),
        (r"\u00B5m", 1e3),
        (r"\xb5m", 1e3),
        ("\u00b5", 1e3),
        ("n_m", 1.0),
        ("[n_m]", 1.0),
        ("nanometre", 1.0),
        ("nm/px", 1.0),
        ("\u00c3\u0085", 0.1),
        ("\u00e5ngstr\u00f6m", 0.1),
        ("[]", None),
        ("inch", None),
    ],
)
def test_units_are_read_however_they_are_spelt(unit: str, size: float | None) -> None:
    assert nm_per_unit(unit) == size


@pytest.mark.parametrize(
    ("name", "found"), [("D_imagej_A.tif", 0.8), ("G_micron.hspy", 0.8), ("F_signedbyte.mrc", 0.8)]
)
def test_scales_of_the_field(name: str, found: float) -> None:
    assert read(field(name)).pixel_size_nm == pytest.approx(found, rel=1e-3)


@pytest.mark.parametrize("name", ["F_signedbyte.mrc", "M_rgb_grey.tif", "M_minwhite.tif"])
def test_all_particles_of_a_field_are_found(name: str) -> None:
    assert len(find_particles(read(field(name), pixel_size_nm=0.8))) == 16


@pytest.mark.parametrize("units", ["furlong", "1/nm", "mrad", None])
def test_a_given_pixel_size_wins_over_whatever_the_file_says(
    tmp_path: Path, units: str | None
) -> None:
    hspy = pytest.importorskip("rsciio.hspy")
    hspy.file_writer(str(tmp_path / "a.hspy"), signal(RAMP, 0.2, units), show_progressbar=False)
    micrograph = read(tmp_path / "a.hspy", pixel_size_nm=0.7)
    assert micrograph.pixel_size_nm == 0.7
    assert len(micrograph.notes) == (units is not None)


def test_dimensionless_axes_need_a_pixel_size() -> None:
    with pytest.raises(MicrographError, match="no pixel size in the file"):
        read(field("berkeley_example_image.emd"))
    with pytest.raises(MicrographError, match="3 x 3 pixels"):
        read(field("berkeley_example_image.emd"), pixel_size_nm=0.5)


def test_pixels_that_are_nearly_square_are_averaged(tmp_path: Path) -> None:
    hspy = pytest.importorskip("rsciio.hspy")
    near, far = signal(RAMP), signal(RAMP)
    near["axes"][0]["scale"], far["axes"][0]["scale"] = 0.505, 0.525
    hspy.file_writer(str(tmp_path / "a.hspy"), near, show_progressbar=False)
    hspy.file_writer(str(tmp_path / "b.hspy"), far, show_progressbar=False)
    micrograph = read(tmp_path / "a.hspy")
    assert micrograph.pixel_size_nm == pytest.approx(0.5025)
    assert "not quite square" in micrograph.notes[0]
    with pytest.raises(MicrographError, match="not square"):
        read(tmp_path / "b.hspy")
    assert read(tmp_path / "b.hspy", pixel_size_nm=0.5).pixel_size_nm == 0.5


def test_bytes_of_an_mrc_are_signed_where_they_are(tmp_path: Path) -> None:
    signed = (RAMP[np.newaxis] - 100).astype(np.int8)
    unsigned = RAMP[np.newaxis].astype(np.uint8)
    least, most = (struct.unpack("<i", struct.pack("<f", value))[0] for value in (-100.0, 203.0))
    imod = {"b152": 1146047817}
    for name, data, words in (
        ("said", signed, {"b76": least}),
        ("flag", signed, {**imod, "b156": 1}),
        ("seen", signed, {}),
        ("unsigned", unsigned, {"b80": most}),
        ("imod", unsigned, {**imod, "b156": 0}),
        ("unsaid", unsigned, {}),
    ):
        image = read(write_mrc(tmp_path / f"{name}.mrc", data, 0, **words)).image
        np.testing.assert_array_equal(image, data[0].astype(np.float32), err_msg=name)


def test_a_cell_of_one_angstrom_is_doubted(tmp_path: Path) -> None:
    data = RAMP[np.newaxis].astype("<f4")
    doubted = read(write_mrc(tmp_path / "a.mrc", data, 2, cell=1.0))
    assert "1 Å per pixel" in doubted.notes[0]
    assert read(tmp_path / "a.mrc", pixel_size_nm=0.1).notes == ()
    assert read(write_mrc(tmp_path / "b.mrc", data, 2, cell=2.0)).notes == ()


def test_messages_on_the_command_line_name_options(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.stack([RAMP, RAMP + 1]))
    for words, said in (
        ([], "say which with --index 0 ... 1"),
        (["--index", "0", "--electrons-px", "100"], "give it with --pixel-size-nm"),
        (["--index", "5"], "--index: got 5"),
    ):
        result = CliRunner().invoke(app, ["features", str(tmp_path / "a.npy"), *words])
        output = " ".join(result.output.split())
        assert result.exit_code == 2
        assert said in output
        assert "pixel_size_nm=" not in output
    result = CliRunner().invoke(app, ["features", str(tmp_path)])
    assert "a directory, expected a micrograph file" in " ".join(result.output.split())
    shutil.rmtree(tmp_path)
