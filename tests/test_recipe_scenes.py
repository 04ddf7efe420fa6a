"""Scenes as structures of arrays against the objects they stand for."""

import numpy as np
import pytest

import stemfast as sf
from stemfast.particles.geometry.cuboid_arrays import cuboids
from stemfast.particles.geometry.solid_arrays import Solids, choose, ellipsoids, tetrahedra
from stemfast.recipes.scenes import Scenes
from stemfast.simulation.imaging import Imaging

N = 12


def corner_values(rng: np.random.Generator, low: float, high: float) -> np.ndarray:
    """A few corners of each cuboid with a value, the others 0."""
    return np.where(rng.random((N, 8)) < 0.4, rng.uniform(low, high, (N, 8)), 0.0)


def some_solids(kind: str) -> Solids:
    rng = np.random.default_rng(3)
    edges = rng.uniform(6, 11, (N, 3))
    cut, moved = corner_values(rng, 0.1, 0.5), corner_values(rng, 0.5, 2.5)
    made = {
        "cut": lambda: cuboids(edges, cut),
        "moved": lambda: cuboids(edges, np.zeros((N, 8)), moved),
        "both": lambda: cuboids(
            edges,
            cut * (np.arange(N) % 2 == 0)[:, None],
            moved * (np.arange(N) % 2 == 1)[:, None],
        ),
        "ellipsoid": lambda: ellipsoids(rng.uniform(3, 8, (N, 3))),
        "tetrahedron": lambda: tetrahedra(rng.uniform(6, 12, N)),
        "mixed": lambda: choose(
            np.arange(N) % 3, [some_solids("tetrahedron"), some_solids("both"), some_solids("cut")]
        ),
    }
    return made[kind]()


def some_scenes(kind: str, *, views: int = 1, bits: int | None = 16, first: int = 5) -> Scenes:
    rng = np.random.default_rng(8)
    n = N * views
    imaging = Imaging(
        image_px=40,
        pixel_size_nm=0.45,
        bits=bits,
        electrons_px=rng.uniform(200, 2000, n),
        probe_fwhm_nm=rng.uniform(0.3, 1.2, n),
        film_nm=rng.uniform(4, 12, n),
        film_roughness_nm=rng.uniform(0, 1, n),
        film_correlation_nm=rng.uniform(3, 9, n),
        film_wedge_nm_per_um=rng.uniform(-20, 20, n),
        film_wedge_direction_deg=rng.uniform(0, 360, n),
        gain=0.1 if bits == 8 else rng.uniform(1, 3, n),
        offset=20.0,
        read_noise=rng.uniform(0, 2, n),
        excess_noise_factor=rng.uniform(1, 1.3, n),
        drift_nm_s=rng.uniform(-5, 5, (n, 2)),
        row_jitter_pm=rng.uniform(0, 60, n),
        mains_pm=rng.uniform(0, 80, (n, 2)),
        mains_phase_turns=rng.random(n),
    )
    poses = sf.orientation.random(n, seed=4).as_quat().reshape(N, views, 4)
    return Scenes(
        seed=77,
        start=first,
        class_names=("a", "b"),
        labels=np.arange(N) % 2,
        solids=some_solids(kind),
        materials=np.array(["Au", "Pt", "Ag"] * (N // 3), dtype="S"),
        orientations=poses,
        positions_nm=rng.uniform(-1, 1, (N, views, 3)),
        spin_rad_s=rng.normal(0, 10, (N, views, 3)),
        imaging=imaging,
        columns={},
        several_views=views > 1,
    )


def image_from_objects(scenes: Scenes, scene: int, view: int) -> np.ndarray:
    assert scenes.spin_rad_s is not None
    return sf.simulate(
        scenes.particle(scene),
        scenes.orientation(scene, view),
        scenes.microscope(scene, view),
        seed=scenes.seed,
        first_index=(scenes.start + scene) * scenes.views + view,
        positions_nm=scenes.positions_nm[scene, view],
        spin_rad_s=scenes.spin_rad_s[scene, view],
    )


@pytest.mark.parametrize("bits", [8, 16, None])
@pytest.mark.parametrize("kind", ["cut", "ellipsoid", "tetrahedron", "moved", "mixed"])
def test_images_equal_those_of_the_objects(kind, bits):
    scenes = some_scenes(kind, bits=bits)
    images = scenes.simulate(n_threads=2)
    different = 0
    for scene in range(N):
        expected = image_from_objects(scenes, scene, 0)
        difference = np.abs(images[scene].astype(float) - expected.astype(float))
        # Planes that were computed in another order differ in their last bit, and then once in
        # some thousand pixels an electron more is counted.
        different += np.count_nonzero(difference)
        assert difference.max() <= 8
    assert different <= 1e-3 * images.size


def test_views_have_an_axis_and_noise_of_their_own():
    scenes = some_scenes("cut", views=3)
    images = scenes.simulate()
    assert images.shape == (N, 3, 40, 40)
    for scene, view in [(0, 0), (4, 2), (11, 1)]:
        np.testing.assert_allclose(
            images[scene, view].astype(float),
            image_from_objects(scenes, scene, view).astype(float),
            atol=8,
        )


@pytest.mark.parametrize("kind", ["cut", "moved", "both", "ellipsoid", "tetrahedron", "mixed"])
def test_volumes_and_radii_are_those_of_the_particles(kind):
    solids = some_solids(kind)
    for scene in range(N):
        particle = solids.particle(scene, "Au")
        assert solids.volume_nm3[scene] == pytest.approx(particle.volume, rel=1e-12)
        assert solids.bounding_radius_nm[scene] == pytest.approx(particle.bounding_radius, rel=1e-9)


def test_a_cut_of_half_the_edges_meets_its_neighbour():
    solids = cuboids([[10.0, 8.0, 6.0]], [[0.5] * 8])
    assert solids.volume_nm3[0] == pytest.approx(10 * 8 * 6 * (1 - 8 * 0.125 / 6))


@pytest.mark.parametrize(
    ("edges", "cut", "moved", "message"),
    [
        ([[1, 2]], [[0] * 8], None, r"edges_nm has shape \(1, 2\)"),
        ([[1, 2, -3]], [[0] * 8], None, "edges_nm must be positive"),
        ([[1, 2, 3]], [[0.6] + [0] * 7], None, "cut must be at most 0.5, got 0.6"),
        ([[1, 2, 3]], [[0.1] * 7], None, r"cut has shape \(1, 7\)"),
        ([[1, 2, 3]], [[np.nan] * 8], None, "cut must be at least 0"),
        ([[5, 5, 5]], [[0.1] + [0] * 7], [[0] * 7 + [1]], "expected one of them"),
        ([[5, 5, 5]], [[0] * 8], [[6] + [0] * 7], "turns cuboid 0 inside out"),
    ],
)
def test_wrong_cuboids_are_refused(edges, cut, moved, message):
    with pytest.raises(ValueError, match=message):
        cuboids(edges, cut, moved)


def test_images_can_be_written_where_the_caller_wants():
    scenes = some_scenes("mixed")
    out = np.empty((N, 40, 40), np.uint16)
    assert scenes.simulate(out=out) is out
    np.testing.assert_array_equal(out, scenes.simulate(n_threads=1))
    with pytest.raises((TypeError, ValueError), match="out"):
        scenes.simulate(out=np.empty((N, 40, 41), np.uint16))
