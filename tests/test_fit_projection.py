"""The differentiable projections: in NumPy with derivatives by hand, and in JAX."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast.fit import CutCuboid, projection
from stemfast.fit.cuboid import thickness as jacobian
from stemfast.fit.image.likelihood import observe
from stemfast.reference import pixel_centres

thickness = jax.jit(projection.thickness)
SCAN = sf.Scan(shape=(56, 64), pixel_size_nm=0.3)


def drawn(seed: int, mask: int | None = None) -> tuple[sf.Cuboid, Rotation, np.ndarray]:
    """A cuboid off the centre with some corners cut, and its pose."""
    rng = np.random.default_rng(seed)
    chosen = rng.random(8) < 0.5 if mask is None else [mask >> c & 1 for c in range(8)]
    cuts = {c: sf.Truncation(rng.uniform(0.1, 0.5)) for c in range(8) if chosen[c]}
    cuboid = sf.Cuboid(edges=tuple(rng.uniform(6, 9, 3).tolist()), corners=cuts)
    return cuboid, Rotation.random(rng=rng), np.array([*rng.uniform(-1, 1, 2), 0.0])


def grid() -> tuple[np.ndarray, np.ndarray]:
    x, y = np.meshgrid(*pixel_centres(SCAN))
    return x, y


@pytest.mark.parametrize("seed", range(8))
def test_thickness_is_that_of_the_core(seed):
    cuboid, pose, position = drawn(seed)
    core = sf.thickness(cuboid, pose, SCAN, positions_nm=position)
    shape = CutCuboid.of(cuboid, pose, position)
    by_hand = jacobian.thickness(shape, *grid())
    in_jax = thickness(projection.Shape.of(shape), *projection.scan_grid(scope()))
    assert core.max() > 5
    assert np.abs(by_hand - core).max() < 1e-4 * core.max()
    assert np.abs(np.asarray(in_jax) - core).max() < 1e-4 * core.max()


def scope(**film: float) -> sf.Microscope:
    return sf.Microscope(
        scan=SCAN, probe=sf.Probe(fwhm_nm=0.7), film=sf.Film(thickness_nm=6, **film)
    )


@pytest.mark.parametrize("film", [{}, {"wedge_nm_per_um": 20.0, "wedge_direction_deg": 30.0}])
def test_expected_electrons_are_those_of_the_core(film):
    cuboid, pose, position = drawn(11)
    microscope = scope(**film)
    taken = sf.simulate(cuboid, pose, microscope, seed=1, positions_nm=position, return_truth=True)
    core = taken.truth.expected_electrons
    shape = CutCuboid.of(cuboid, pose, position)
    seen = projection.optics(microscope, "Au")
    in_jax = projection.expected_electrons(
        projection.Shape.of(shape), seen, *projection.scan_grid(microscope)
    )
    assert np.abs(np.asarray(in_jax) - core).max() < 1e-4 * core.max()
    part = observe(taken.images, microscope, shape)
    none = np.zeros(len(part.waves.variance))
    ours = part.expected(shape, none, derivatives=False).electrons
    inside = np.isin(grid()[0], part.x_nm) & np.isin(grid()[1], part.y_nm)
    assert np.abs(ours - core[inside].reshape(ours.shape)).max() < 1e-4 * core.max()


def test_beam_positions_are_followed():
    cuboid, pose, position = drawn(12)
    stray = sf.Instability(drift_nm_s=(9.0, -6.0), row_jitter_pm=150.0)
    microscope = scope().replace(scan=SCAN.replace(instability=stray))
    truth = sf.simulate(
        cuboid, pose, microscope, seed=1, positions_nm=position, return_truth=True
    ).truth
    shape = CutCuboid.of(cuboid, pose, position)
    x, y = np.moveaxis(truth.beam_nm, -1, 0)
    assert np.abs(x - grid()[0]).max() > 0.2
    ours = jacobian.thickness(shape, x, y)
    assert np.abs(ours - truth.thickness_nm["Au"]).max() < 1e-4 * ours.max()


@pytest.mark.parametrize("seed", range(4))
def test_derivatives_by_hand_are_the_limits_of_differences(seed):
    cuboid, pose, position = drawn(seed + 20)
    shape = CutCuboid.of(cuboid, pose, position)
    x, y = grid()
    corners = np.flatnonzero(shape.cuts)
    _, slopes = jacobian.thickness_and_jacobian(shape, x, y)
    assert slopes.shape[-1] == len(jacobian.shape_parameters(shape.mask))

    def at(change: np.ndarray) -> np.ndarray:
        cuts = shape.cuts.copy()
        cuts[corners] += change[8:]
        edges, place = shape.edges_nm + change[5:8], shape.position_nm + change[3:5]
        return jacobian.thickness(shape.moved(change[:3], place, edges, cuts), x, y)

    for k in range(slopes.shape[-1]):
        step = np.zeros(slopes.shape[-1])
        step[k] = 1e-6
        measured = (at(step) - at(-step)) / 2e-6
        # Where another plane takes over within the step, differences mean nothing.
        wrong = np.abs(measured - slopes[..., k]) > 1e-3 * (1 + np.abs(measured))
        assert wrong.mean() < 2e-3


def test_jax_and_hand_agree_on_derivatives():
    cuboid, pose, position = drawn(31, mask=0b10010110)
    shape = CutCuboid.of(cuboid, pose, position)
    rng = np.random.default_rng(0)
    weights = rng.normal(size=SCAN.shape)
    _, slopes = jacobian.thickness_and_jacobian(shape, *grid())
    by_hand = np.einsum("ij,ijk->k", weights, slopes)
    x, y = projection.scan_grid(scope())

    def total(arrays: projection.Shape) -> jax.Array:
        return (jnp.asarray(weights) * projection.thickness(arrays, x, y)).sum()

    in_jax = jax.jit(jax.grad(total))(projection.Shape.of(shape))
    corners = np.flatnonzero(shape.cuts)
    ours = np.concatenate([in_jax.position_nm, in_jax.edges_nm, in_jax.cuts[corners]])
    assert np.allclose(ours, by_hand[3:], rtol=1e-3, atol=1e-3 * np.abs(by_hand[3:]).max())


def test_batches_are_single_shapes_side_by_side():
    shapes = [CutCuboid.of(*drawn(seed)[:2]) for seed in range(3)]
    stack = jax.tree.map(lambda *a: jnp.stack(a), *map(projection.Shape.of, shapes))
    x, y = projection.scan_grid(scope())
    maps = jax.jit(jax.vmap(projection.thickness, in_axes=(0, None, None)))(stack, x, y)
    for one, shape in zip(maps, shapes, strict=True):
        alone = thickness(projection.Shape.of(shape), x, y)
        assert np.abs(np.asarray(one - alone)).max() < 1e-4


def test_a_corner_can_grow_a_cut_by_its_gradient():
    cuboid, pose, position = drawn(5, mask=0b1)
    whole = sf.Cuboid(edges=cuboid.edges)
    image = sf.simulate(cuboid, pose, scope(), seed=3, positions_nm=position)
    shape = CutCuboid.of(whole, pose, position)
    part = observe(image, scope(), shape)
    slopes = jax.jit(jax.grad(lambda arrays: projection.log_likelihood(arrays, part)))
    slope = slopes(projection.Shape.of(shape)._replace(cuts=jnp.full(8, 0.1))).cuts
    assert int(jnp.argmax(slope)) == 0
    assert float(slope[0]) > 0


def test_other_particles_are_refused():
    with pytest.raises(TypeError, match="expected a Cuboid, got Sphere"):
        CutCuboid.of(sf.Sphere(5), Rotation.identity())
    uneven = sf.Cuboid(edges=(9, 9, 9), corners={3: sf.Truncation((0.1, 0.2, 0.3))})
    with pytest.raises(TypeError, match="one fraction of their edges, got 3"):
        CutCuboid.of(uneven, Rotation.identity())
    with pytest.raises(ValueError, match=r"cuts must be from 0 to 0\.5"):
        CutCuboid(np.ones(3), np.full(8, 0.6), np.array([0, 0, 0, 1.0]), np.zeros(2))
