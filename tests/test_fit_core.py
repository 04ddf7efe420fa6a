"""The core's share of fits against the same in NumPy: chords, the probe's blur, jacobians."""

from __future__ import annotations

import numpy as np
import pytest

from stemfast import _core
from stemfast.fit.cuboid.shape import CutCuboid
from stemfast.fit.cuboid.thickness import crossings, faces
from stemfast.fit.image.blur import bands, blur_matrix

SHAPE = CutCuboid(
    np.array([14.0, 12.0, 10.0]),
    np.array([0.0, 0.4, 0.0, 0.2, 0.0, 0.0, 0.3, 0.5]),
    np.array([0.3, -0.5, 0.2, 0.8]),
    np.array([0.4, -0.7]),
)


def points(rng, n=1000):
    return rng.uniform(-10, 10, (1, n)), rng.uniform(-10, 10, (1, n))


def test_chords_are_the_nearest_exit_less_the_farthest_entry():
    rng = np.random.default_rng(0)
    z, leaves = crossings(*faces(SHAPE))
    x, y = points(rng)
    slopes = rng.normal(size=(1, len(z), 3, 5))
    t, jacobian = _core.chords(z[None], leaves[None].view(np.uint8), x, y, slopes)
    basis = np.stack([np.ones(x.size), x[0], y[0]])
    depth = z @ basis
    out, into = np.flatnonzero(leaves), np.flatnonzero(~leaves)
    last, first = out[depth[out].argmin(axis=0)], into[depth[into].argmax(axis=0)]
    chord = depth[out].min(axis=0) - depth[into].max(axis=0)
    np.testing.assert_allclose(t[0], np.maximum(chord, 0.0), rtol=1e-13, atol=1e-13)
    change = np.einsum("ikp,ki->ip", slopes[0, last] - slopes[0, first], basis)
    np.testing.assert_allclose(
        jacobian[0], np.where(chord[:, None] > 0, change, 0.0), rtol=1e-12, atol=1e-12
    )
    assert 100 < np.count_nonzero(t) < 900
    assert _core.chords(z[None], leaves[None].view(np.uint8), x, y)[1] is None


def test_every_group_of_pixels_has_planes_of_its_own():
    rng = np.random.default_rng(1)
    x, y = (rng.uniform(-8, 8, (3, 200)) for _ in range(2))
    z, leaves = crossings(*faces(SHAPE))
    groups = np.stack([z, z * 1.1, z * 0.9])
    flags = np.stack([leaves] * 3).view(np.uint8)
    t, _ = _core.chords(groups, flags, x, y)
    for group in range(3):
        alone, _ = _core.chords(groups[group][None], flags[:1], x[group][None], y[group][None])
        np.testing.assert_array_equal(t[group], alone[0])


def test_planes_that_are_not_numbers_give_no_thickness():
    z, leaves = crossings(*faces(SHAPE))
    z[2, 1] = np.nan
    t, _ = _core.chords(z[None], leaves[None].view(np.uint8), *points(np.random.default_rng(2)))
    assert np.isnan(t).all()


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
    by_thickness, by_film, electrons, weight = rng.uniform(size=(4, *shape))
    rows, columns = blur_matrix(19, 1.2), blur_matrix(21, 0.8)
    jacobian = _core.weighted_jacobian(
        slopes=slopes,
        by_thickness=by_thickness,
        waves=waves,
        by_film=by_film,
        electrons=electrons,
        weight=weight,
        rows=bands(rows),
        columns=bands(columns),
    )
    scaled = slopes * by_thickness[..., None]
    by_shape = np.einsum("rk,kcp,dc->rdp", rows, scaled, columns)
    explicit = np.concatenate([by_shape, waves * by_film[..., None], electrons[..., None]], axis=2)
    np.testing.assert_allclose(
        jacobian, (explicit * weight[..., None]).reshape(19 * 21, -1), rtol=1e-12, atol=1e-13
    )


def test_the_boundary_refuses_what_would_be_read_past():
    z, leaves = crossings(*faces(SHAPE))
    x, y = points(np.random.default_rng(5), 4)
    flags = leaves[None].view(np.uint8)
    with pytest.raises(ValueError, match="leaves has shape"):
        _core.chords(z[None], flags[:, 1:].copy(), x, y)
    with pytest.raises(ValueError, match="to leave by and to enter by"):
        _core.chords(z[None], np.ones_like(flags), x, y)
    with pytest.raises(ValueError, match="slopes has shape"):
        _core.chords(z[None], flags, x, y, np.zeros((1, 2, 3, 4)))
    first, weight = bands(blur_matrix(6, 0.5))
    with pytest.raises(ValueError, match="within the 6 pixels"):
        _core.blur_bands(np.zeros((6, 6)), (first + 1, weight), (first, weight))
