"""Brightness of grains: what is simulated against the reference, and what stays as it was."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast import recipes, reference
from stemfast.particles.geometry.clipping import intersect_halfspaces

TWINNED = (sf.Decahedron(edge=16), sf.Decahedron(edge=12, waist=5), sf.Icosahedron(edge=11))
ONE_GRAIN = (
    sf.Sphere(9),
    sf.Ellipsoid((9, 7, 5)),
    sf.Cuboid((14, 12, 9), corners={7: sf.Truncation(0.3), 0: sf.Displacement(nm=2)}),
    sf.Tetrahedron(edge=18),
    sf.Octahedron(edge=15),
    sf.HexagonalPrism(edge=8, height=11),
    sf.CoreShell(core=sf.Sphere(5, material="Pd"), shell=sf.Sphere(9)),
    sf.Hollow(sf.Cuboid((16, 14, 12)), void=sf.Sphere(4)),
)
SCAN = sf.Scan(shape=(75, 81), pixel_size_nm=0.45)
POSES = (Rotation.identity(), Rotation.from_euler("x", 90, degrees=True), Rotation.random(rng=5))


def factors_of(particle, seed=1):
    return np.random.default_rng(seed).uniform(0.6, 1.5, particle.n_grains).tolist()


def name_of(particle):
    return type(particle).__name__


@pytest.mark.parametrize("particle", TWINNED, ids=repr)
def test_grains_divide_the_solid(particle):
    grains = [intersect_halfspaces(body.planes) for body in particle._grains()]
    assert len(grains) == particle.n_grains
    volumes = np.array([grain.volume for grain in grains])
    assert volumes.sum() == pytest.approx(particle.volume, rel=1e-3)
    # All twins are alike, but for the width of a boundary.
    assert np.allclose(volumes, particle.volume / particle.n_grains, rtol=1e-3)
    centres = np.array([grain.centroid for grain in grains])
    assert np.abs(centres.mean(axis=0)).max() < 1e-3
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=2)
    assert apart[np.triu_indices(len(grains), 1)].min() > 0.2 * particle.bounding_radius


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("particle", [*TWINNED, *ONE_GRAIN], ids=name_of)
def test_thickness_with_grains_is_that_of_the_reference(particle, pose):
    bright = particle.with_grain_brightness(factors_of(particle))
    found = sf.thickness(bright, pose, SCAN)
    expected = reference.thickness(bright, pose, SCAN)
    assert np.abs(found - expected).max() < 2e-5 * expected.max() + 1e-5


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("particle", TWINNED, ids=repr)
def test_each_grain_is_seen_where_it_lies(particle, pose):
    """Chords of each grain alone, from the reference, times its factor."""
    factors = factors_of(particle)
    bright = particle.with_grain_brightness(factors)
    x, y = reference.solids.pixel_centres(SCAN, 1)
    grid = np.meshgrid(x, y)
    points = grid[0].ravel(), grid[1].ravel()
    paths = [
        reference.solids.chords(body, pose.as_matrix(), np.zeros(3), *points)
        for body in particle._grains()
    ]
    expected = np.tensordot(factors, paths, axes=1).reshape(SCAN.shape)
    off = np.abs(sf.thickness(bright, pose, SCAN) - expected)
    # Beams along a boundary, or the axis where all twins meet, may see the mean of the factors.
    assert (off > 0.02 * expected.max()).mean() < 0.004
    assert np.median(off[expected > 0]) < 1e-3


@pytest.mark.parametrize("particle", [*TWINNED, *ONE_GRAIN], ids=name_of)
def test_a_factor_of_one_leaves_every_bit(particle):
    scope = sf.Microscope(scan=SCAN)
    pose = Rotation.random(rng=2)
    one = particle.with_grain_brightness([1.0] * particle.n_grains)
    assert np.array_equal(sf.thickness(one, pose, SCAN), sf.thickness(particle, pose, SCAN))
    assert np.array_equal(
        sf.simulate(one, pose, scope, seed=3), sf.simulate(particle, pose, scope, seed=3)
    )


@pytest.mark.parametrize("particle", [*TWINNED, *ONE_GRAIN], ids=name_of)
def test_one_factor_multiplies_all_of_it(particle):
    pose = Rotation.random(rng=2)
    half = sf.thickness(particle.with_grain_brightness(0.5), pose, SCAN)
    assert np.allclose(half, 0.5 * sf.thickness(particle, pose, SCAN), rtol=1e-6, atol=1e-7)


def test_twins_side_by_side_show_no_seam():
    """Along the axis of a decahedron, on an odd grid, beams run in the twins' boundaries."""
    particle = sf.Decahedron(edge=16)
    bright = particle.with_grain_brightness((1.0, 1.5, 1.0, 1.5, 1.0))
    ratio = sf.thickness(bright, Rotation.identity(), SCAN) / np.maximum(
        sf.thickness(particle, Rotation.identity(), SCAN), 1e-9
    )
    inside = sf.thickness(particle, Rotation.identity(), SCAN) > 0.5
    assert ratio[inside].min() > 1.0 - 1e-5
    assert ratio[inside].max() < 1.5 + 1e-5


def test_brightness_is_part_of_the_particle():
    plain = sf.Icosahedron(edge=10)
    bright = plain.with_grain_brightness(factors_of(plain))
    assert bright != plain
    assert bright == plain.with_grain_brightness(factors_of(plain))
    assert hash(bright) == hash(plain.with_grain_brightness(factors_of(plain)))
    assert bright.with_grain_brightness(None) == plain
    assert plain.grain_brightness is None
    for same in (pickle.loads(pickle.dumps(bright)), copy.copy(bright), copy.deepcopy(bright)):
        assert same == bright
    assert (bright.volume, bright.symmetry_group) == (plain.volume, "Ih")
    assert "grain_brightness=(" in repr(bright)
    nested = ONE_GRAIN[-2].with_grain_brightness(0.8)
    assert pickle.loads(pickle.dumps(nested)) == nested
    assert "grain_brightness=(0.8)" in repr(nested)


@pytest.mark.parametrize(
    ("factors", "kind", "words"),
    [
        ((1.0, 2.0), ValueError, "one for each of 5 grains, got 2"),
        ((1, 1, 1, 1, 0), ValueError, r"grain_brightness\[4\] must be larger than 0, got 0"),
        ((1, 1, float("nan"), 1, 1), ValueError, r"grain_brightness\[2\] must be finite"),
        (-1.0, ValueError, "grain_brightness must be larger than 0"),
        ("bright", TypeError, "must be a number or 5 of them, got 'bright'"),
        (True, TypeError, "must be a number or 5 of them, got True"),
    ],
)
def test_wrong_factors_are_refused(factors, kind, words):
    with pytest.raises(kind, match=words):
        sf.Decahedron(edge=10).with_grain_brightness(factors)


def test_parts_of_nested_particles_have_none_of_their_own():
    bright = sf.Sphere(9).with_grain_brightness(0.8)
    with pytest.raises(ValueError, match="shell must have no grain_brightness of its own"):
        sf.CoreShell(core=sf.Sphere(5), shell=bright)


def test_voxels_know_no_brightness():
    with pytest.raises(ValueError, match=r"with_grain_brightness\(None\)"):
        sf.voxelize(sf.Decahedron(edge=10).with_grain_brightness(0.9), voxel_size_nm=0.5)


@pytest.mark.parametrize("name", ["shapes", "count", "ground-truth"])
def test_recipes_draw_brightness_where_asked_to(name):
    plain = recipes.get(name, image_px=32)
    bright = plain.replace(particle={"grain_brightness": (0.7, 1.4)})
    before, after = plain.sample(3, 0, 60), bright.sample(3, 0, 60)
    assert "grain_brightness" not in before.columns
    factors = after.columns["grain_brightness"]
    assert factors.shape == (60,)
    assert 0.7 <= factors.min() < 0.85
    assert 1.2 < factors.max() <= 1.4
    for key, column in before.columns.items():
        if key not in ("gain", "offset"):  # the brightest grain must not be clipped
            assert np.array_equal(column, after.columns[key]), key
    assert np.array_equal(bright.sample(3, 20, 30).columns["grain_brightness"], factors[20:30])
    # The same images as of the particles one by one.
    for scene in (0, 7):
        own = sf.simulate(
            after.particle(scene), after.orientation(scene), after.microscope(scene), seed=3,
            positions_nm=after.positions_nm[scene, 0], saturation="ignore",
            first_index=scene * after.views,
        )  # fmt: skip
        taken = after.simulate()[scene]
        taken = taken[0] if after.several_views else taken
        assert np.array_equal(own, taken)


def test_the_brightest_grains_are_not_clipped():
    """Clipped images warn, and warnings are errors here; the darkest leave most of the range."""
    recipe = recipes.get("count", image_px=32, particle={"grain_brightness": (0.5, 2.0)})
    scenes = recipe.sample(2, 0, 300)
    images = scenes.simulate()
    assert images.max() < 255
    factors = scenes.columns["grain_brightness"]
    highest = images.reshape(300, -1).max(axis=1)
    assert highest[factors > 1.5].mean() > 1.3 * highest[factors < 0.7].mean()


def test_recipes_without_brightness_give_the_same_images():
    plain = recipes.get("count", image_px=32)
    assert plain.particle.grain_brightness == (1.0, 1.0)
    off = plain.replace(particle={"grain_brightness": (1.0, 1.0)})
    assert np.array_equal(plain.sample(1, 0, 8).simulate(), off.sample(1, 0, 8).simulate())
    with pytest.raises(ValueError, match="particle.grain_brightness"):
        plain.replace(particle={"grain_brightness": (0.0, 1.0)})
