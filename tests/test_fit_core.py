"""The core's share of fits against the same in NumPy: chords, the probe's blur, jacobians."""

from __future__ import annotations

import numpy as np
import pytest

from stemfast import _core
from stemfast.fit.cuboid.shape import CutCuboid
from stemfast.fit.cuboid.thickness import faces, planes
from stemfast.fit.image.blur import bands, blur_matrix
from stemfast.fit.image.charge import RIGHT, MeanReading
from stemfast.scattering import exponent, slope

SHAPE = CutCuboid(
    np.array([14.0, 12.0, 10.0]),
    np.array([0.0, 0.4, 0.0, 0.2, 0.0, 0.0, 0.3, 0.5]),
    np.array([0.3, -0.5, 0.2, 0.8]),
    np.array([0.4, -0.7]),
)


def points(rng, n=1000):
    return rng.uniform(-10, 10, (1, n)), rng.uniform(-10, 10, (1, n))


def crossings(normals, heights):
    """Coefficients of z = c0 + c1 x + c2 y on every plane, and which the beam leaves by."""
    nz = normals[:, 2]
    return np.stack([heights, -normals[:, 0], -normals[:, 1]], axis=1) / nz[:, None], nz > 0


def test_chords_are_the_nearest_exit_less_the_farthest_entry():
    rng = np.random.default_rng(0)
    normals, heights = faces(SHAPE)
    x, y = points(rng)
    d_normals, d_heights = (
        rng.normal(size=(1, len(normals), 5, 3)),
        rng.normal(size=(1, len(normals), 5)),
    )
    t, jacobian = _core.chords(normals[None], heights[None], x, y, d_normals, d_heights)
    z, leaves = crossings(normals, heights)
    basis = np.stack([np.ones(x.size), x[0], y[0]])
    depth = z @ basis
    out, into = np.flatnonzero(leaves), np.flatnonzero(~leaves)
    last, first = out[depth[out].argmin(axis=0)], into[depth[into].argmax(axis=0)]
    chord = depth[out].min(axis=0) - depth[into].max(axis=0)
    np.testing.assert_allclose(t[0], np.maximum(chord, 0.0), rtol=1e-13, atol=1e-13)

    def change(face):
        """Derivatives of the depth of each pixel's plane, dz = (dd − dn · (x, y, z))/n_z."""
        point = np.stack([x[0], y[0], depth[face, np.arange(x.size)]], axis=1)
        turned = np.einsum("ipk,ik->ip", d_normals[0, face], point)
        return (d_heights[0, face] - turned) / normals[face, 2, None]

    expected = np.where(chord[:, None] > 0, change(last) - change(first), 0.0)
    np.testing.assert_allclose(jacobian[0], expected, rtol=1e-11, atol=1e-11)
    assert 100 < np.count_nonzero(t) < 900
    alone, none = _core.chords(normals[None], heights[None], x, y)
    assert none is None
    np.testing.assert_array_equal(alone, t)


def test_every_group_of_pixels_has_planes_of_its_own():
    rng = np.random.default_rng(1)
    x, y = (rng.uniform(-8, 8, (3, 200)) for _ in range(2))
    normals, heights = faces(SHAPE)
    groups = heights * np.array([[1.0], [1.1], [0.9]])
    t, _ = _core.chords(np.stack([normals] * 3), groups, x, y)
    for group in range(3):
        one = slice(group, group + 1)
        alone, _ = _core.chords(normals[None], groups[one], x[one], y[one])
        np.testing.assert_array_equal(t[group], alone[0])


def test_planes_that_are_not_numbers_give_no_thickness():
    normals, heights = faces(SHAPE)
    heights[2] = np.nan
    t, _ = _core.chords(normals[None], heights[None], *points(np.random.default_rng(2)))
    assert np.isnan(t).all()


def test_large_arrays_are_used_again_only_once_nobody_holds_them():
    rng = np.random.default_rng(10)
    part = [one[None] for one in planes(SHAPE)]
    x, y = rng.uniform(-8, 8, (2, 1, 40_000))
    kept = [_core.chords(part[0], part[1] * scale, x, y)[0] for scale in (1.0, 1.1, 1.2)]
    copies = [t.copy() for t in kept]
    for _ in range(20):
        _core.chords(*part[:2], x, y, *part[2:])
    for t, copy in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(t, copy)


def test_faces_along_the_beam_have_finite_slopes():
    cube = CutCuboid(np.full(3, 8.0), np.zeros(8), np.array([0.0, 0, 0, 1]), np.zeros(2))
    normals, heights, d_normals, d_heights = (part[None] for part in planes(cube))
    x, y = points(np.random.default_rng(9))
    t, jacobian = _core.chords(normals, heights, x, y, d_normals, d_heights)
    inside = (np.abs(x) < 4) & (np.abs(y) < 4)
    np.testing.assert_array_equal(t > 0, inside)
    assert np.isfinite(jacobian).all()


@pytest.mark.parametrize("sigma", [0.0, 0.3, 1.4, 30.0])
def test_bands_blur_like_the_matrix(sigma):
    image = np.random.default_rng(3).uniform(size=(23, 17))
    rows, columns = blur_matrix(23, sigma), blur_matrix(17, sigma)
    blurred = _core.blur_bands(image, bands(rows), bands(columns))
    np.testing.assert_allclose(blurred, rows @ image @ columns.T, rtol=1e-12)


@pytest.mark.parametrize(("parameters", "n_waves"), [(14, 3), (8, 0), (0, 2), (16, 1)])
def test_the_jacobian_is_blurred_and_weighted(parameters, n_waves):
    rng = np.random.default_rng(4)
    shape = (19, 21)
    slopes = rng.normal(size=(*shape, parameters))
    slopes[:4] = slopes[-3:] = 0.0  # rows beside the particle
    waves = rng.normal(size=(*shape, n_waves))
    by_depth, electrons, weight = rng.uniform(size=(3, *shape))
    rows, columns = blur_matrix(19, 1.2), blur_matrix(21, 0.8)
    jacobian = _core.weighted_jacobian(
        slopes,
        by_depth,
        electrons,
        weight,
        waves=waves,
        path=30.0,
        film_path=80.0,
        rows=bands(rows),
        columns=bands(columns),
    )
    scaled = slopes * by_depth[..., None] / 30.0
    by_shape = np.einsum("rk,kcp,dc->rdp", rows, scaled, columns)
    by_film = waves * by_depth[..., None] / 80.0
    explicit = np.concatenate([by_shape, by_film, electrons[..., None]], axis=2)
    np.testing.assert_allclose(
        jacobian, (explicit * weight[..., None]).reshape(19 * 21, -1), rtol=1e-12, atol=1e-13
    )


CURVE = (0.1, -0.03, 0.002, 1.5, 0.4)


@pytest.mark.parametrize("n_waves", [0, 5])
def test_electrons_are_those_of_the_curve_through_the_film_and_the_probe(n_waves):
    rng = np.random.default_rng(6)
    t, film = rng.uniform(0, 80, (13, 150)), rng.uniform(3, 5, (13, 150))
    waves, amplitude = rng.normal(size=(13, 150, n_waves)), rng.normal(size=n_waves)
    rows, columns = blur_matrix(13, 0.9), blur_matrix(150, 1.1)
    optics = {
        "film": film,
        "waves": waves,
        "path": 30.0,
        "film_path": 80.0,
        "curve": CURVE,
        "rows": bands(rows),
        "columns": bands(columns),
    }
    electrons, by_depth = _core.expected_electrons(t, amplitude, 120.0, **optics)
    depth = t / 30.0 + (film + waves @ amplitude) / 80.0
    left = 120.0 * np.exp(-exponent(depth, CURVE))
    np.testing.assert_allclose(electrons, rows @ (120.0 - left) @ columns.T, rtol=1e-12)
    np.testing.assert_allclose(by_depth, left * slope(depth, CURVE), rtol=1e-12)


@pytest.mark.parametrize("readings", [True, False])
def test_likelihood_and_error_bars_are_those_of_the_mean_reading(readings):
    rng = np.random.default_rng(7)
    electrons = rng.uniform(-0.1, 400, (9, 50)) * (rng.uniform(size=(9, 50)) > 0.1)
    weight = (rng.uniform(size=(9, 50)) > 0.2).astype(float)
    reading = MeanReading(np.linspace(0, 300, 200), np.append(rng.normal(size=199), 0.0))
    if not readings:
        reading = RIGHT
    image = {
        "counts": rng.uniform(0, 300, (9, 50)),
        "weight": weight,
        "came": reading.came,
        "off": reading.off,
        "excess": 1.3,
        "noise": 0.7,
        "least": 1e-6,
    }
    counts = image["counts"]
    mean = np.maximum((reading.mean(electrons) + 0.7 / 1.3) / 1.3, 1e-6)
    logs = (weight * (counts * np.log(mean) - mean)).sum()
    assert _core.log_likelihood(electrons, **image) == pytest.approx(logs, rel=1e-12)
    residual, scale = _core.error_bars(electrons, **image)
    precision = np.sqrt(weight / mean)
    np.testing.assert_allclose(residual, (precision * (counts - mean)).ravel(), rtol=1e-10)
    expected = precision * reading.slope(electrons) / 1.3
    np.testing.assert_allclose(scale, np.broadcast_to(expected, scale.shape), rtol=1e-12)


def test_misfits_compare_many_bodies_with_one_image():
    rng = np.random.default_rng(8)
    x, y = (values[0] for values in points(rng, 333))
    film, scale, seen = rng.uniform(size=(3, 333))
    normals, heights = faces(SHAPE)
    two, apart = np.stack([normals] * 2), heights * np.array([[1.0], [1.2]])
    found = _core.misfits(
        two, apart, x=x, y=y, film=film, scale=scale, seen=seen, path=30.0, curve=CURVE
    )
    for own, misfit in zip(apart, found, strict=True):
        t, _ = _core.chords(normals[None], own[None], x[None], y[None])
        left = np.exp(-exponent(t[0] / 30.0 + film, CURVE))
        assert misfit == pytest.approx(((scale * left - seen) ** 2).sum(), rel=1e-12)


def test_the_boundary_refuses_what_would_be_read_past():
    normals, heights = (part[None] for part in faces(SHAPE))
    x, y = points(np.random.default_rng(5), 4)
    with pytest.raises(ValueError, match="heights has shape"):
        _core.chords(normals, heights[:, 1:].copy(), x, y)
    with pytest.raises(ValueError, match="to enter and to leave by"):
        _core.chords(np.abs(normals), heights, x, y)
    with pytest.raises(ValueError, match="normals is empty"):
        _core.chords(normals[:, :0].copy(), heights[:, :0].copy(), x, y)
    with pytest.raises(ValueError, match="d_normals has shape"):
        _core.chords(normals, heights, x, y, np.zeros((1, 2, 3, 3)), np.zeros((*heights.shape, 3)))
    first, weight = bands(blur_matrix(6, 0.5))
    with pytest.raises(ValueError, match="within the 6 pixels"):
        _core.blur_bands(np.zeros((6, 6)), (first + 1, weight), (first, weight))
