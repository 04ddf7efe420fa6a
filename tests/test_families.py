"""Families of shapes: half-spaces, symmetry, thickness and its derivatives, measures."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast.fit.families.family import Family
from stemfast.fit.families.groups import point_group
from stemfast.fit.families.shape_family import POSE, Placed
from stemfast.fit.families.shipped import FAMILIES, cut_cubes, family_of


def sizes_of(family, seed=0):
    rng = np.random.default_rng(seed)
    return 3.0 * np.exp(0.3 * rng.normal(size=family.n))


def placed(family, seed=0):
    pose = sf.orientation.random(1, seed=seed)[0]
    return Placed(sizes_of(family, seed), pose.as_quat(), np.array([0.31, -0.17]))


def rays(n=400, seed=3):
    rng = np.random.default_rng(seed)
    return rng.uniform(-9, 9, n), rng.uniform(-9, 9, n)


def slow_thickness(family, at, x, y):
    """Length of a ray inside, half-space by half-space, in plain numbers."""
    normals = at.orientation().apply(family.normals)
    depths = family.depths @ at.sizes_nm
    found = []
    for px, py in zip(x.tolist(), y.tolist(), strict=True):
        low, high = -np.inf, np.inf
        for (nx, ny, nz), d in zip(normals.tolist(), depths.tolist(), strict=True):
            left = d - nx * (px - at.position_nm[0]) - ny * (py - at.position_nm[1])
            if nz > 0:
                high = min(high, left / nz)
            else:
                low = max(low, left / nz)
        found.append(max(high - low, 0.0))
    return np.array(found)


@pytest.mark.parametrize("name", FAMILIES)
def test_thickness_sums_to_the_volume_and_its_slopes_are_differences(name):
    family = family_of(name)
    at = placed(family, 5)
    grid = (np.arange(240) - 119.5) * 0.15
    x, y = np.meshgrid(grid, grid)
    t = family.thickness(at, x, y)
    assert t.sum() * 0.15**2 == pytest.approx(family.measures(at.sizes_nm)["volume"], rel=2e-3)

    px, py = rays()
    _, jacobian = family.thickness_and_jacobian(at, px, py)
    steps = np.eye(POSE + family.n) * 1e-6
    for k, step in enumerate(steps):
        places = [(s * step[:3], at.position_nm + s * step[3:5], s * step[5:]) for s in (1, -1)]
        sides = [at.moved(turn, place, at.sizes_nm + more) for turn, place, more in places]
        high, low = (family.thickness(side, px, py) for side in sides)
        difference = (high - low) / 2e-6
        # A ray that another facet takes over within the step, or that grazes the outline, differs.
        off = np.abs(difference - jacobian[:, k]) > 1e-3 * (1 + np.abs(difference))
        assert off.mean() < 0.02, (name, k)


@pytest.mark.parametrize("name", ["cuboid", "truncated tetrahedron", "triangular plate"])
def test_thickness_is_that_of_a_slow_reference(name):
    family = family_of(name)
    at = placed(family, 8)
    x, y = rays()
    assert family.thickness(at, x, y) == pytest.approx(slow_thickness(family, at, x, y), abs=1e-9)


@pytest.mark.parametrize(
    ("name", "sizes", "particle"),
    [
        ("octahedron", [10 / 6**0.5], sf.Octahedron(edge=10)),
        ("icosahedron", [7.557613], sf.Icosahedron(edge=10)),
        ("tetrahedron", [10 / 24**0.5], sf.Tetrahedron(edge=10)),
        ("hexagonal prism", [10 * 3**0.5 / 2, 3], sf.HexagonalPrism(edge=10, height=6)),
        ("sphere", [6.0], sf.Sphere(radius=6)),
    ],
)
def test_families_have_the_members_that_stemfast_has(name, sizes, particle):
    found = family_of(name).measures(np.array(sizes))
    assert found["volume"] == pytest.approx(particle.volume, rel=1e-6)
    assert found["surface"] == pytest.approx(particle.surface_area, rel=1e-6)


def test_decahedra_are_the_ones_of_stemfast():
    family = family_of("truncated decahedron")
    truth = sf.Decahedron(edge=10, waist=4)
    found = family.measures(np.array([10 * 0.41777, 2.0]))
    assert found["volume"] == pytest.approx(truth.volume, rel=1e-3)
    assert found["111/111"] == pytest.approx(10, rel=1e-3)


def test_the_family_of_the_cube_is_continuous():
    """Cube to octahedron through all between: volume by cut, and corners that vanish."""
    family = cut_cubes()
    cuts = np.linspace(0.0, 2 / 3**0.5, 41)
    shapes = [family.measures(np.array([1.0, cut])) for cut in cuts]
    volumes = np.array([shape["volume"] for shape in shapes])
    # dV = −A dt: the area of the eight facets is the slope of the volume.
    slopes = np.gradient(volumes, cuts)[1:-1]
    assert slopes == pytest.approx([-shape["111"] for shape in shapes[1:-1]], rel=0.02, abs=0.02)
    assert volumes[[0, 20, -1]] == pytest.approx([8.0, 20 / 3, 4 / 3], rel=1e-9)


def test_corners_that_vanish_leave_facets_with_areas_and_depths():
    """A deformed corner is a {111} facet that shows: it keeps its number where corners are gone."""
    family = cut_cubes(depths=8)
    cuts = np.array([0.0, 0.9, 0.9, 0.0, 0.9, 0.0, 0.0, 0.9]) / 3**0.5
    areas = family.areas(np.array([1.0, *cuts]))
    corners = areas[np.flatnonzero(np.array(family.types) == "111")]
    assert (corners > 1e-9).tolist() == (cuts > 0).tolist()
    deep = cut_cubes(depths=8).areas(np.array([1.0, *np.full(8, 1.0)]))
    assert deep[6:] == pytest.approx(deep[6], rel=1e-9)  # beyond the cuboctahedron
    assert len(family.group) == 1
    assert len(family.relabellings) == 48


def test_wulff_energies_are_parameters():
    family = Family.wulff(["100", "111"])
    published = sf.Wulff({"100": 1.0, "111": 0.87}, diameter=12)
    scale = np.cbrt(published.volume / family.measures(np.array([1.0, 0.87]))["volume"])
    found = family.measures(scale * np.array([1.0, 0.87]))
    assert found["111"] == pytest.approx(published.facet_areas["111"], rel=1e-9)
    assert found["100"] == pytest.approx(published.facet_areas["100"], rel=1e-9)


def test_a_user_adds_a_family_in_ten_lines():
    family = Family(
        "truncated bipyramid",
        forms={"101": (1, 0, 1), "001": (0, 0, 1)},
        symmetry="D4h",
        shapes=[{"101": 1.0, "001": 2**0.5}, {"101": 1.0, "001": 0.5}],
    )
    assert family.n == 2
    assert len(family.group) == 16
    assert not family.chiral
    assert set(family.measures(np.ones(2))) >= {"101", "001", "101/101"}


def test_families_hold_those_whose_members_are_members_of_theirs():
    families = [family_of(name) for name in FAMILIES]
    held = {
        family.name: {one.name for one in families if one is not family and family.holds(one)}
        for family in families
    }
    assert {name: names for name, names in held.items() if names} == {
        "cuboid": {"cube"},
        "truncated cube": {"cube", "cuboctahedron"},
        "truncated octahedron": {"cuboctahedron", "octahedron"},
        "truncated tetrahedron": {"tetrahedron", "octahedron"},
        "truncated decahedron": {"decahedron"},
        "triangular plate": {"hexagonal prism"},
        "rod": {"sphere"},
        "ellipsoid": {"sphere"},
    }
    assert all(family.holds(family) for family in families)
    assert cut_cubes().holds(family_of("octahedron"))  # a user's own takes part
    assert not cut_cubes().holds(family_of("tetrahedron"))


def test_a_twisted_family_is_chiral():
    twisted = Family("twisted", {"a": (1, 0.2, 0.5), "top": (0, 0, 1)}, "D4")
    assert twisted.chiral
    assert len(twisted.group) == 8


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Family("f", {"100": (1, 0, 0)}, "D4h"), "do not close"),
        (lambda: Family("f", {"100": (0, 0, 0)}, "Oh"), "not all 0"),
        (lambda: Family("f", {"100": (1, 0, 0)}, "Q5"), "symmetry is 'Q5'"),
        (lambda: Family("f", {"100": (1, 0, 0)}, point_group("Oh")[:5]), "not among them"),
        (lambda: Family("f", {"100": (1, 0, 0)}, "Oh", [{"111": 1.0}]), "shapes\\[0\\]"),
        (
            lambda: Family(
                "f", {"100": (1, 0, 0), "111": (1, 1, 1)}, "Oh", [{"100": 1.0, "111": 2.0}]
            ),
            "never show",
        ),
        (
            lambda: Family.from_halfspaces("f", np.eye(3), symmetry="Oh"),
            "takes facet 0 .* there is none",
        ),
        (lambda: family_of("sponge"), "expected one of cube"),
    ],
)
def test_families_that_cannot_be_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_symmetry_is_found_from_the_facets():
    for name, order in (
        ("cube", 48),
        ("tetrahedron", 24),
        ("decahedron", 20),
        ("icosahedron", 120),
    ):
        family = family_of(name)
        assert len(family.group) == order
        turned = Rotation.from_matrix(family.group[np.linalg.det(family.group) > 0])
        assert len(turned) == order // 2
