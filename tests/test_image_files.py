"""Images in files: what is read back, by us and by others, is what was written, scale and all."""

import json
import sys

import numpy as np
import pytest

import stemfast as sf
from stemfast.image.files import ENDINGS

pytest.importorskip("rsciio", reason="needs RosettaSciIO, the extra [io]")

DTYPES = (np.uint8, np.uint16, np.uint32, np.float32)


def ramp(dtype=np.uint16, stack=(), size=0.35, **more):
    shape = (*stack, 21, 34)
    values = np.arange(np.prod(shape)).reshape(shape) % 251
    return sf.Image(values.astype(dtype), size, **more)


def read(path):
    from rsciio import hspy, tiff

    reader = hspy if path.suffix == ".hspy" else tiff
    (signal,) = reader.file_reader(str(path))
    return signal


@pytest.mark.parametrize("ending", [".hspy", ".tif", ".tiff"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [0.35, 0.0123, 12.5])
def test_hyperspy_reads_values_and_scale(tmp_path, ending, dtype, size):
    image = ramp(dtype, size=size)
    signal = read(image.save(tmp_path / f"a{ending}"))
    assert signal["data"].dtype == dtype
    np.testing.assert_array_equal(signal["data"], image.pixels)
    for axis, n in zip(signal["axes"], image.shape, strict=True):
        assert axis["units"] == "nm"
        assert axis["scale"] == pytest.approx(size, rel=1e-12 if ending == ".hspy" else 1e-5)
        if ending == ".hspy":
            assert axis["offset"] == pytest.approx(-0.5 * (n - 1) * size)
        assert not axis["navigate"]


@pytest.mark.parametrize("ending", [".hspy", ".tif", ".mrc"])
def test_our_own_reader_takes_it(tmp_path, ending):
    image = ramp(title="a ramp")
    back = sf.micrograph.read(image.save(tmp_path / f"a{ending}"))
    assert back.pixel_size_nm == pytest.approx(0.35, rel=1e-7)
    assert back.notes == ()
    np.testing.assert_array_equal(back.image, image.pixels)
    if ending == ".hspy":
        assert back.title == "a ramp"


@pytest.mark.parametrize("stack", [(), (5,), (2, 3)])
def test_imagej_reads_the_scale(tmp_path, stack):
    import tifffile

    image = ramp(stack=stack, unit="e-", title="Å", metadata={"seed": "7"})
    with tifffile.TiffFile(image.save(tmp_path / "a.tif")) as file:
        assert file.is_imagej
        assert file.imagej_metadata["unit"] == "nm"
        page = file.pages[0]
        for axis in "XY":
            pixels, units = page.tags[f"{axis}Resolution"].value
            assert pixels / units == pytest.approx(1 / 0.35, rel=1e-7)
        assert json.loads(page.tags[65000].value) == {
            "title": "Å",
            "unit": "e-",
            "shape": list(image.shape),
            "seed": "7",
        }
        np.testing.assert_array_equal(file.asarray().reshape(image.shape), image.pixels)


def test_a_stack_keeps_its_axes_in_hspy(tmp_path):
    signal = read(ramp(stack=(2, 3)).save(tmp_path / "a.hspy"))
    assert signal["data"].shape == (2, 3, 21, 34)
    names = [(axis["name"], axis["navigate"]) for axis in signal["axes"]]
    assert names == [("image", True), ("frame", True), ("y", False), ("x", False)]
    assert [axis["scale"] for axis in signal["axes"]] == [1.0, 1.0, 0.35, 0.35]
    np.testing.assert_array_equal(signal["data"], ramp(stack=(2, 3)).pixels)


@pytest.mark.parametrize("ending", [".hspy", ".tif", ".mrc"])
def test_our_own_reader_takes_an_image_of_a_stack(tmp_path, ending):
    image = ramp(stack=(3,))
    back = sf.micrograph.read(image.save(tmp_path / f"a{ending}"), index=2)
    assert back.pixel_size_nm == pytest.approx(0.35, rel=1e-7)
    np.testing.assert_array_equal(back.image, image.pixels[2])


def test_hspy_keeps_unit_title_and_metadata(tmp_path):
    taken = sf.simulate(sf.Sphere(5), seed=3, return_truth=True)
    signal = read(taken.image().save(tmp_path / "a.hspy"))
    assert signal["metadata"]["General"]["title"] == "image 0"
    assert signal["metadata"]["Signal"]["quantity"] == "Intensity (e-)"
    about = signal["original_metadata"]["stemfast"]
    assert about["seed"] == "3"
    assert about["microscopes"][0]["beam"]["energy_kev"] == 200.0
    assert about["shown"] == [[repr(sf.Sphere(5))]]


def test_npy_is_the_values(tmp_path):
    image = ramp(np.float32, stack=(2,))
    values = np.load(image.save(tmp_path / "a.npy"))
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, image.pixels)


def test_png_says_what_its_greys_are(tmp_path):
    from PIL import Image as Picture

    values = np.linspace(-3.0, 12.0, 21 * 34).reshape(21, 34)
    with Picture.open(sf.Image(values, 0.35, unit="nm").save(tmp_path / "a.png")) as picture:
        grey = np.asarray(picture)
        assert picture.info["pixel_size_nm"] == "0.35"
        assert picture.info["grey"] == "0 is -3, 255 is 12 nm"
    np.testing.assert_array_equal(grey, np.round((values + 3) * 17))


def test_a_flat_png_is_black(tmp_path):
    from PIL import Image as Picture

    with Picture.open(sf.Image(np.full((9, 8), 5), 1.0).save(tmp_path / "a.png")) as picture:
        assert picture.getextrema() == (0, 0)


def test_a_simulation_saves_its_stack(tmp_path):
    cubes = [sf.Cuboid((edge, edge, edge)) for edge in (8, 10, 12)]
    taken = sf.simulate(cubes, seed=3, return_truth=True)
    for ending in (".hspy", ".tif", ".npy"):
        file = taken.save(tmp_path / f"a{ending}")
        values = np.load(file) if ending == ".npy" else read(file)["data"]
        np.testing.assert_array_equal(values, taken.images)


def test_pixels_are_kept_and_converted():
    image = ramp()
    assert np.shares_memory(np.asarray(image), image.pixels)
    assert type(np.asarray(image)) is type(image.pixels) is np.ndarray
    assert np.asarray(image, np.float64).dtype == np.float64
    assert np.array(image) is not image.pixels
    assert image.field_nm == pytest.approx((7.35, 11.9))
    assert repr(ramp(stack=(5,), unit="e-")) == (
        "Stack of 5 images of 21 x 34 px of 0.35 nm, uint16 [e-]"
    )


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((np.zeros(5), 1.0), ValueError, r"pixels has shape \(5,\), expected \(rows, columns\)"),
        ((np.zeros((0, 5)), 1.0), ValueError, r"pixels has shape \(0, 5\)"),
        ((np.zeros((2,) * 5), 1.0), ValueError, "with one or two axes before those"),
        ((np.zeros((5, 5), complex), 1.0), TypeError, "must be real numbers, got complex128"),
        ((np.array([["a"]]), 1.0), TypeError, "pixels must be real numbers"),
        ((np.full((5, 5), np.nan), 1.0), ValueError, "pixels holds numbers that are not finite"),
        ((np.eye(5), 0.0), ValueError, "pixel_size_nm must be larger than 0"),
        ((np.eye(5), np.inf), ValueError, "pixel_size_nm must be finite"),
        ((np.eye(5), "0.35"), TypeError, "pixel_size_nm must be a number"),
        ((np.eye(5), 1.0, 3), TypeError, "unit must be a string, got 3"),
    ],
)
def test_what_is_no_image_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        sf.Image(*arguments)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.bmp", "a.bmp must end in .png, .tif, .tiff, .hspy, .mrc or .npy"),
        ("a", "a must end in"),
        ("no/a.tif", "the folder no does not exist"),
        ("folder.npy", "folder.npy is a folder, expected a file to write"),
    ],
)
def test_a_bad_path_is_refused(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(ValueError, match=message):
        ramp().save(name)
    with pytest.raises(TypeError, match="path must be a file name, got 3"):
        ramp().save(3)
    assert [file.name for file in tmp_path.iterdir()] == ["folder.npy"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_missing_extra_is_one_line(tmp_path, monkeypatch, ending):
    monkeypatch.setitem(sys.modules, "rsciio", None)
    for name in ("rsciio.hspy", "rsciio.tiff"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    if ending in (".npy", ".mrc", ".png"):
        assert ramp().save(tmp_path / f"a{ending}").exists()
        return
    with pytest.raises(ModuleNotFoundError, match=rf'^writing {ending} .*pip .*"stemfast\[io\]"$'):
        ramp().save(tmp_path / f"a{ending}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch, ending):
    from stemfast.image import files as image_file

    file = tmp_path / f"a{ending}"
    file.write_bytes(b"precious")

    def half(path, *_):
        path.write_bytes(b"hal")
        raise OSError("disk full")

    monkeypatch.setitem(image_file._WRITERS, ending, half)
    with pytest.raises(OSError, match="disk full"):
        ramp().save(file)
    assert file.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [file]


STACK = ramp(stack=(2, 3), unit="e-", title="stack")


@pytest.mark.parametrize(
    ("key", "size"),
    [
        (0, 0.35),
        ((1, 2), 0.35),
        ((..., slice(3, 9), slice(None)), 0.35),
        ((slice(None), 0, slice(None, None, 4), slice(1, None, 4)), 1.4),
        ((np.int64(1), slice(1, 2)), 0.35),
    ],
)
def test_a_part_of_an_image_keeps_its_scale(key, size):
    part = STACK[key]
    np.testing.assert_array_equal(part.pixels, STACK.pixels[key])
    assert part.pixel_size_nm == pytest.approx(size)
    assert (part.unit, part.title) == ("e-", "stack")


@pytest.mark.parametrize(
    "key",
    [
        (0, 0, 0),
        (0, 0, slice(None), 3),
        (..., slice(None, None, 2), slice(None)),
        (..., slice(None, None, -1), slice(None, None, -1)),
        np.array([1, 0]),
        (..., slice(5, 5)),
    ],
)
def test_a_part_that_is_no_image_of_square_pixels_is_an_array(key):
    part = STACK[key]
    assert isinstance(part, np.ndarray)
    np.testing.assert_array_equal(part, STACK.pixels[key])


def test_an_image_has_a_length_and_refuses_what_is_outside():
    assert len(STACK) == 2
    assert [part.shape for part in STACK] == [(3, 21, 34)] * 2
    with pytest.raises(IndexError):
        STACK[2]


def test_hyperspy_takes_an_image_as_it_is(tmp_path):
    pytest.importorskip("hyperspy", reason="needs HyperSpy, the extra [test]")
    image = ramp(np.float32, (4,), unit="e-", title="four")
    signal = image.to_hyperspy()
    assert np.shares_memory(signal.data, image.pixels)
    assert (signal.axes_manager.navigation_shape, signal.metadata.General.title) == ((4,), "four")
    x, y = signal.axes_manager.signal_axes
    assert (x.name, x.units, x.size, y.size) == ("x", "nm", 34, 21)
    assert x.scale == y.scale == pytest.approx(0.35)
    assert x.offset == pytest.approx(-0.5 * 33 * 0.35)
