"""Images as arrays: what NumPy, JAX, pickle, HyperSpy and notebooks make of them."""

import copy
import pickle

import numpy as np
import pytest

import stemfast as sf
from stemfast import _core

SCAN = sf.Scan(shape=(40, 48), pixel_size_nm=0.5)
SCOPE = sf.Microscope(scan=SCAN)


@pytest.fixture(scope="module")
def images():
    return sf.simulate([sf.Sphere(6), sf.Sphere(8), sf.Sphere(9)], None, SCOPE, seed=1)


def test_what_simulate_returns_is_an_array_with_a_scale(images):
    assert isinstance(images, np.ndarray)
    assert (images.dtype, images.shape) == (np.uint16, (3, 40, 48))
    assert (images.pixel_size_nm, images.unit, images.field_nm) == (0.5, "e-", (20.0, 24.0))
    assert repr(images) == "Stack of 3 images of 40 x 48 px of 0.5 nm, uint16 [e-]"
    assert images.metadata["seed"] == "1"
    assert [type(one) for one in images] == [sf.Image] * 3
    assert images[1, 5, 7] == images.pixels[1, 5, 7]
    depth = sf.thickness(sf.Sphere(6), scan=SCAN)
    assert (depth.unit, depth.pixel_size_nm, depth.dtype) == ("nm", 0.5, np.float32)


def test_a_series_of_several_pixel_sizes_is_taken_apart():
    scopes = [SCOPE.replace(scan=SCAN.replace(pixel_size_nm=size)) for size in (0.5, 0.5, 0.7)]
    series = sf.simulate(sf.Sphere(6), None, scopes, seed=1)
    with pytest.raises(ValueError, match=r"different pixel sizes \[nm\], 0.5 to 0.7.*images\[i\]"):
        series.pixel_size_nm  # noqa: B018
    assert [one.pixel_size_nm for one in series] == [0.5, 0.5, 0.7]
    assert series[:2].pixel_size_nm == 0.5
    assert series[2, ::2, ::2].pixel_size_nm == pytest.approx(1.4)
    assert "0.5 to 0.7 nm" in repr(series[1:] + 1)
    with pytest.raises(ValueError, match="different pixel sizes"):
        series.save("series.npy.hspy")


@pytest.mark.parametrize(
    ("work", "unit"),
    [
        (lambda a: a + 1, "e-"),
        (lambda a: a - a[:1], "e-"),
        (lambda a: 2.5 * a, "e-"),
        (lambda a: a / 3, "e-"),
        (lambda a: 3 / (a + 1.0), "arbitrary units"),
        (lambda a: a / (a + 1.0), "arbitrary units"),
        (lambda a: np.sqrt(a), "arbitrary units"),
        (lambda a: a - a.mean(axis=0), "e-"),
        (lambda a: np.maximum(a, 3), "e-"),
        (lambda a: a.clip(2, 9), "e-"),
        (lambda a: a.astype(np.float32), "e-"),
        (lambda a: a.copy(), "e-"),
    ],
)
def test_arithmetic_of_the_same_field_gives_images(images, work, unit):
    result = work(images)
    assert isinstance(result, sf.Image)
    assert (result.pixel_size_nm, result.unit) == (0.5, unit)
    expected = work(images.pixels)
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result.pixels, expected)


@pytest.mark.parametrize(
    "work",
    [
        lambda a: a > 3,
        lambda a: a == a[0],
        lambda a: a.sum(axis=0),
        lambda a: a.std(axis=(1, 2)),
        lambda a: a.reshape(3, -1),
        lambda a: a.T,
        lambda a: a.ravel(),
        lambda a: a.argsort(),
        lambda a: np.stack([a, a]),
        lambda a: np.add.outer(a[0, 0], a[0, 0]),
        lambda a: a[0] @ a[0].T,
        lambda a: np.matmul(a[0, :, :40], a[0, :, :40]),
        lambda a: np.percentile(a, [5, 95], axis=0),
        lambda a: np.fft.rfft2(a),
        lambda a: a[a > 3],
        lambda a: np.divmod(a, 2)[0],
    ],
)
def test_what_is_no_image_of_the_field_is_a_plain_array(images, work):
    result = work(images)
    assert type(result) is np.ndarray
    np.testing.assert_array_equal(result, work(images.pixels))


def test_images_of_different_scale_or_unit_do_not_keep_one(images):
    other = sf.Image(images.pixels, 0.7, unit="e-")
    assert type(images + other) is np.ndarray
    assert (images + sf.Image(images.pixels, 0.5, unit="nm")).unit == "arbitrary units"


def test_an_image_is_changed_in_place(images):
    mine = images[0].copy()
    mine += 1
    mine[:3] = 0
    np.add(mine, 1, out=mine)
    assert isinstance(mine, sf.Image)
    np.testing.assert_array_equal(mine[3:], images[0, 3:] + 2)
    assert mine[0, 0] == 1


@pytest.mark.parametrize(
    "twin", [copy.copy, copy.deepcopy, lambda a: pickle.loads(pickle.dumps(a))]
)
def test_copies_and_pickles_keep_everything(images, twin):
    again = twin(images)
    assert repr(again) == repr(images)
    assert again.metadata == images.metadata
    np.testing.assert_array_equal(again, images)


def test_the_core_takes_an_image(images):
    image = images[0].astype(np.float32)
    np.testing.assert_array_equal(
        _core.blur(image, 1.0, "nearest"), _core.blur(image.pixels, 1.0, "nearest")
    )


def test_jax_takes_an_image(images):
    jax = pytest.importorskip("jax", reason="needs JAX, the extra [train]")
    total = int(images.sum())
    assert int(jax.jit(lambda x: x.astype("int32").sum())(images)) == total
    assert int(jax.numpy.asarray(images).astype("int32").sum()) == total
    assert jax.numpy.from_dlpack(images.astype(np.float32)).shape == images.shape


def test_xarray_has_coordinates_in_nm(images):
    pytest.importorskip("xarray", reason="needs xarray")
    array = images.to_xarray()
    assert array.dims == ("image", "y", "x")
    assert float(array.x[0]) == pytest.approx(-0.5 * 47 * 0.5)
    assert float(array.y[-1]) == pytest.approx(0.5 * 39 * 0.5)
    assert (array.x.attrs["units"], array.attrs["units"]) == ("nm", "e-")
    assert np.shares_memory(array.values, images.pixels)


def test_a_picture_has_a_scale_bar(images):
    axes_of = pytest.importorskip("matplotlib.figure", reason="needs Matplotlib").Figure
    axes = images[0].plot(axes_of().add_subplot(), vmax=9)
    assert [text.get_text() for text in axes.texts] == ["5 nm"]
    assert axes.images[0].get_clim()[1] == 9
    with pytest.raises(ValueError, match=r"draws one image, got a stack of shape \(3, 40, 48\)"):
        images.plot()


def test_notebooks_show_a_picture(images):
    picture = pytest.importorskip("PIL.Image", reason="needs Pillow, the extra [viz]")
    import io

    one, sheet = (picture.open(io.BytesIO(a._repr_png_())) for a in (images[0], images))
    assert one.size[0] >= 320
    grey = np.asarray(one)[:70, :70]
    np.testing.assert_array_equal(grey, grey[::7, ::7].repeat(7, 0).repeat(7, 1))
    assert sheet.size[0] > one.size[0]
    with np.errstate(divide="ignore"):
        assert np.log(0.0 * images[0])._repr_png_() is not None


def test_a_simulation_is_a_sequence_of_images():
    cubes = [sf.Cuboid((edge, edge, edge)) for edge in (8, 10, 12)]
    taken = sf.simulate(cubes, None, SCOPE, seed=3, frames=2, return_truth=True)
    assert len(taken) == 6
    assert [one.title for one in taken[3:5]] == ["image 1", "image 2"]
    np.testing.assert_array_equal(taken[-1], taken.images[2, 1])
    np.testing.assert_array_equal(taken[3], taken.image(1, 1))
    with pytest.raises(IndexError, match="image must be from 0 to 5, got 6"):
        taken[6]
    with pytest.raises(TypeError, match=r"takes the number of an image, got \(0, 1\)"):
        taken[0, 1]
