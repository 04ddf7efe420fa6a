"""Families with a core or a void inside: thickness, fits, evidence, answers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast.fit.families import Family, Shelled, compare_families, family_of, measured
from stemfast.fit.families.shape_family import POSE, Placed
from stemfast.fit.turns import Turns
from stemfast.particles.stl import read_stl
from stemfast.reconstruction import reconstruct, write_answer

SCOPE = sf.Microscope(
    scan=sf.Scan(shape=(40, 40), pixel_size_nm=0.5, dwell_us=8), beam=sf.Beam(current_pa=40)
)
TILTS = [-40.0, 0.0, 40.0]
TURNS = Turns.about_axis(TILTS, axis_deg=30.0)
NAME = "truncated octahedron with Pd core"
SIZES = np.array([2.5, 3.0, 3.6])


def images_of(family, sizes, material):
    poses = TURNS.rotations * Rotation.from_rotvec([0.5, 0.3, 0.2])
    return list(sf.simulate(family.particle(sizes, material), poses, SCOPE, seed=3))


def irregular():
    """A polyhedron without symmetry, each facet of a depth of its own, with a platinum core."""
    rng = np.random.default_rng(4)
    normals = np.concatenate([np.eye(3), -np.eye(3), rng.normal(size=(3, 3))])
    outer = Family.from_halfspaces("irregular", normals)
    family = Shelled(outer, "Pt").under([SCOPE], "Pd")
    sizes = rng.uniform(2.0, 4.0, outer.n)
    at = Placed(
        np.append(sizes, 0.63 * sizes.sum()),
        sf.orientation.random(1, seed=6)[0].as_quat(),
        np.array([0.31, -0.17]),
    )
    return family, at


def slow_thickness(family, at, x, y, step=2e-3):
    """Point by point along each ray, each with the scattering of what it lies in."""
    z = np.arange(-8.0, 8.0, step) + 0.5 * step
    own = at.orientation().inv()
    depths, share = family.outer.depths @ at.sizes_nm[:-1], family.share(at.sizes_nm)
    shell, core = (1.0 / SCOPE.mean_free_path_nm(name) for name in ("Pd", "Pt"))
    found = []
    for px, py in zip(x - at.position_nm[0], y - at.position_nm[1], strict=True):
        points = own.apply(np.column_stack([np.full_like(z, px), np.full_like(z, py), z]))
        out = (points @ family.outer.normals.T <= depths).all(axis=1)
        inner = (points @ family.outer.normals.T <= share * depths).all(axis=1)
        found.append((np.where(inner, core, shell)[out]).sum() * step / shell)
    return np.array(found)


def test_thickness_is_that_of_a_slow_reference_and_slopes_are_differences():
    family, at = irregular()
    x, y = np.random.default_rng(3).uniform(-3.5, 3.5, (2, 60))
    t, jacobian = family.thickness_and_jacobian(at, x, y)
    assert t == pytest.approx(slow_thickness(family, at, x, y), abs=0.02)
    assert np.ptp(t) > 5
    assert family.thickness(at, x, y) == pytest.approx(t)
    for k, step in enumerate(np.eye(POSE + family.n) * 1e-6):
        sides = [
            at.moved(s * step[:3], at.position_nm + s * step[3:5], at.sizes_nm + s * step[5:])
            for s in (1, -1)
        ]
        high, low = (family.thickness(side, x, y) for side in sides)
        assert jacobian[:, k] == pytest.approx((high - low) / 2e-6, abs=1e-4), k


def test_a_void_is_missing_and_no_core_is_the_outer_family():
    outer = family_of("ellipsoid")
    hollow = family_of("hollow ellipsoid")
    at = Placed(np.array([3.0, 4.0, 5.0, 6.0]), np.array([0, 0, 0, 1.0]), np.zeros(2))
    x = np.array([0.0, 1.0])
    # Semi-axes are half as long inside: the ray through the middle loses half its way.
    assert hollow.thickness(at, x, 0 * x)[0] == pytest.approx(5.0)
    assert hollow.seen_volume(at.sizes_nm) == pytest.approx(
        hollow.particle(at.sizes_nm).volume, rel=1e-9
    )
    none = Placed(np.array([3.0, 4.0, 5.0, 0.0]), at.quaternion, at.position_nm)
    bare = Placed(none.sizes_nm[:-1], at.quaternion, at.position_nm)
    assert (hollow.thickness(none, x, 0 * x) == outer.thickness(bare, x, 0 * x)).all()
    assert hollow.holds(outer)
    assert hollow.holds(family_of("hollow sphere"))
    assert not outer.holds(hollow)
    assert not hollow.holds(family_of("sphere with Pd core"))
    assert len(hollow.relabellings) == len(outer.relabellings)
    assert all(order[-1] == 3 for _, order in hollow.relabellings)


@pytest.mark.parametrize(
    ("name", "material"), [(NAME, "Pt"), ("truncated octahedron with Pt core", "Pd")]
)
def test_core_and_shell_are_measured_and_one_material_is_excluded(name, material):
    family = family_of(name)
    found = compare_families(
        images_of(family, SIZES, material),
        [SCOPE] * 3,
        [family_of("truncated octahedron"), family],
        material=material,
        turns=TURNS,
    )
    assert found.explained
    assert found.probability[name] > 0.999
    got = measured(family, found.best.sizes_nm, found.best.covariance).inside
    # Two-sided, at four standard errors: by chance once in 4000 tests of four numbers.
    for what, truth in family.inside(SIZES).items():
        value, sd = got[what]
        assert 0 < sd < 0.02 * truth, what
        assert abs(value - truth) < 4 * sd, what


def test_a_particle_without_a_core_is_most_likely_one():
    plain = family_of("truncated octahedron")
    family = family_of(NAME)
    found = compare_families(
        images_of(plain, SIZES[:-1], "Pt"), [SCOPE] * 3, [plain, family], material="Pt", turns=TURNS
    )
    assert 0.7 < found.probability[plain.name] < 0.99  # a core too small to be seen is not excluded
    fit = found.fits[NAME]
    share_sd = np.sqrt(fit.covariance[-1, -1]) / fit.sizes_nm[:-1].sum()
    assert 0.01 < family.share(fit.sizes_nm) + share_sd < 0.3


def test_a_hollow_particle_is_reconstructed_and_written(tmp_path):
    images = images_of(family_of("hollow sphere"), np.array([5.0, 3.0]), "Au")
    answer = reconstruct(
        images, 0.5, TILTS, tilt_axis_deg=30, family="sphere", core="void", microscope=SCOPE
    )
    assert answer.explained
    assert answer.family == "hollow sphere"
    assert answer.sizes_nm["radius"][0] == pytest.approx(5.0, abs=0.02)
    assert answer.measures.inside["void radius"][0] == pytest.approx(3.0, abs=0.05)
    assert "void volume" in str(answer)
    write_answer(tmp_path / "out", answer)
    said = json.loads((tmp_path / "out" / "reconstruct.json").read_text())["particle"]
    assert said["inside"]["void radius"]["sd_nm"] > 0
    assert said["inside"]["shell volume"]["value_nm3"] == pytest.approx(said["volumes_nm3"]["Au"])
    spans = [np.ptp(read_stl(tmp_path / "out" / f"{name}.stl")[:, :, 0]) for name in
             ("particle", "inside")]  # fmt: skip
    assert spans == pytest.approx([10.0, 6.0], rel=0.03)


def test_the_core_stays_inside_the_shell():
    family = family_of("cube with Pd core")
    sizes = np.array([5.0, 9.0])
    assert family.highest(sizes, 30.0).tolist() == pytest.approx([30.0, 4.9])
    assert family.particle(family.highest(sizes, 5.0), "Pt").volumes["Pd"] > 900


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"core": "Pb_"}, "core: got 'Pb_', expected 'void' or the name of a material"),
        ({"core": "platinum"}, "did you mean 'Pt'"),
        ({"core": "Au"}, "core: got 'Au' in a particle of 'Au', expected another"),
        ({"family": "cube with Au core"}, "core: got 'Au' in a particle of 'Au'"),
        ({"core": "Pd", "spin": (0, 30, 0)}, "expected family='cuboid' and no core"),
    ],
)
def test_cores_that_cannot_be_are_refused_at_once(settings, message):
    with pytest.raises(ValueError, match=message):
        reconstruct(np.zeros((40, 40)), 0.5, **settings)


def test_families_with_cores_need_one_kind_of_images_and_one_core():
    other = SCOPE.replace(haadf=sf.Haadf(inner_mrad=80.0))
    with pytest.raises(ValueError, match="same energy and collection angles"):
        family_of(NAME).under([SCOPE, other], "Pt")
    with pytest.raises(TypeError, match="has a core already"):
        Shelled(family_of(NAME), "void")
    with pytest.raises(ValueError, match="contrast is not known"):
        family_of(NAME).seen_volume(SIZES)
