"""Scenes of several bodies, drawn as arrays, against the particles and specimens they stand for."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast import recipes
from stemfast.particles.geometry.solid_arrays import (
    Solids,
    choose,
    ellipsoids,
    side_by_side,
    tetrahedra,
)
from stemfast.recipes.particles import Drawn
from stemfast.recipes.scenes import Members, Scenes

N = 6


def core_shells(diameter_nm: np.ndarray) -> tuple[Solids, Members]:
    """Palladium balls inside golden ellipsoids: matter, void and filling of each."""
    n = len(diameter_nm)
    shell = 0.5 * diameter_nm[:, None] * np.array([1.1, 1.0, 0.9])
    core = np.repeat(0.25 * diameter_nm[:, None], 3, axis=1)
    both = side_by_side(
        [ellipsoids(shell), ellipsoids(core)], [np.arange(n), n + np.arange(n)], 2 * n
    )
    rows = np.stack([np.arange(n), n + np.arange(n), n + np.arange(n)], axis=1).reshape(-1)

    def maker(scene: int) -> sf.CoreShell:
        return sf.CoreShell(
            core=sf.Sphere(core[scene, 0], material="Pd"),
            shell=sf.Ellipsoid(tuple(shell[scene].tolist()), material="Au"),
        )

    members = Members(
        offset=np.arange(0, 3 * n + 1, 3),
        particle=np.zeros(3 * n, np.int64),
        material=np.tile(np.array(["Au", "Au", "Pd"], "S"), n),
        weight=np.tile([1.0, -1.0, 1.0], n),
        maker=maker,
    )
    return both.taken(rows), members


def clusters(diameter_nm: np.ndarray) -> tuple[Solids, Members]:
    """One to three tetrahedra and balls, each in its place, turn and material."""
    n = len(diameter_nm)
    rng = np.random.default_rng(5)
    count = 1 + np.arange(n) % 3
    offset = np.concatenate([[0], np.cumsum(count)])
    bodies = int(offset[-1])
    size = 0.4 * np.repeat(diameter_nm, count)
    position = rng.uniform(-0.5, 0.5, (bodies, 3)) * size[:, None]
    turn = Rotation.random(bodies, random_state=1)
    material = np.array(["Au", "Pt", "Ag"], "S")[np.arange(bodies) % 3]
    solids = choose(
        np.arange(bodies) % 2,
        [tetrahedra(size), ellipsoids(np.repeat(0.5 * size[:, None], 3, axis=1))],
    )

    def maker(scene: int) -> sf.Specimen:
        rows = range(offset[scene], offset[scene + 1])
        particles = [solids.particle(i, material[i].decode()) for i in rows]
        return sf.Specimen(particles, position[rows], turn[rows])

    members = Members(
        offset=offset,
        particle=np.arange(bodies) - np.repeat(offset[:-1], count),
        material=material,
        weight=np.ones(bodies),
        maker=maker,
        orientation=turn.as_quat(),
        position_nm=position,
    )
    return solids, members


MAKERS = {"core-shell": core_shells, "clusters": clusters}


class Several(recipes.Count):
    """Recipe of core–shell particles or clusters, in place of cuboids."""

    name: ClassVar[str] = "several"
    kind: str = "clusters"

    def draw_particles(self, seed, indices, diameter_nm, exposure):
        solids, members = MAKERS[self.kind](diameter_nm)
        drawn = Drawn(solids, 0.7 * diameter_nm, {}, members)
        return np.zeros(len(indices), np.int64), drawn


TURNS = Rotation.random(N, random_state=2)


def sampled(kind: str, **settings) -> Scenes:
    """Scenes in the very poses of `TURNS`: SciPy would round other quaternions once more."""
    recipe = Several(kind=kind, image_px=48, dtype="float32", **settings)
    scenes = recipe.sample(seed=4, start=3, stop=3 + N)
    return replace(scenes, orientations=TURNS.as_quat()[:, None])


def taken(scenes: Scenes, scene: int, **more):
    spin = None if scenes.spin_rad_s is None else scenes.spin_rad_s[scene, 0]
    return sf.simulate(
        scenes.shown(scene),
        TURNS[scene],
        scenes.microscope(scene),
        seed=scenes.seed,
        first_index=scenes.start + scene,
        positions_nm=scenes.positions_nm[scene, 0],
        spin_rad_s=spin,
        **more,
    )


@pytest.mark.parametrize("conditions", ["standard", "hard"])
@pytest.mark.parametrize("spin", [False, True])
@pytest.mark.parametrize("kind", list(MAKERS))
def test_images_have_the_bits_of_the_particles_and_specimens(kind, spin, conditions):
    scenes = sampled(kind, spin=spin, conditions=conditions)
    images = scenes.simulate()
    assert images.shape == (N, 48, 48)
    for scene in range(N):
        np.testing.assert_array_equal(images[scene], taken(scenes, scene), err_msg=str(scene))


@pytest.mark.parametrize("kind", list(MAKERS))
def test_bodies_have_the_truth_of_the_objects(kind):
    scenes = sampled(kind)
    batch = scenes.batch()
    for scene in range(N):
        truth = taken(scenes, scene, return_truth=True).truth
        own = batch.part(scene, scene + 1)
        first = np.unique(own.particle, return_index=True)[1]
        assert len(first) == len(truth.particles)
        np.testing.assert_array_equal(own.position[first], truth.positions_nm)
        np.testing.assert_array_equal(own.orientation[first], truth.quaternions)
        scan = scenes.microscope(scene).scan
        for number, name in enumerate(own.materials):
            weight = np.where(own.material == number, own.weight, 0.0)
            alone = own.steady_thickness(scan.shape, scan.pixel_size_nm, weight)[0]
            if name in truth.thickness_nm:
                np.testing.assert_array_equal(alone, truth.thickness_nm[name])
            else:
                assert not alone.any()


def test_views_show_the_same_bodies_in_other_poses():
    scenes = sampled("clusters")
    turns = np.stack([scenes.orientations[:, 0], scenes.orientations[::-1, 0]], axis=1)
    shifts = np.repeat(scenes.positions_nm, 2, axis=1)
    pairs = replace(scenes, orientations=turns, positions_nm=shifts).batch()
    assert pairs.n_images == 2 * N
    np.testing.assert_array_equal(pairs.image_of_body[pairs.particle == 0], np.arange(2 * N))
    single = scenes.batch()
    np.testing.assert_array_equal(
        pairs.orientation[pairs.image_of_body % 2 == 0], single.orientation
    )


def test_one_particle_of_several_is_refused():
    with pytest.raises(ValueError, match="several bodies each, expected shown"):
        sampled("clusters").particle(0)


def test_scenes_and_members_print_on_a_line():
    scenes = sampled("core-shell")
    assert repr(scenes).startswith("6 scenes, seed 4, indices 3 to 8: ")
    assert repr(scenes.members) == "Members of 6 scenes: 18 bodies"
    assert repr(scenes.batch()) == "Batch of 6 images with 18 bodies"
    assert repr(scenes.solids) == "Solids of 18, in a table of 12"
