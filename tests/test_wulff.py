"""Wulff shapes against their construction by hand."""

import pickle

import numpy as np
import pytest

import stemfast as sf
from stemfast.particles.wulff import Wulff

ROOT3 = 3**0.5


def test_equal_ratios_give_the_archimedean_truncated_octahedron():
    """With γ111/γ100 = √3/2 all edges are equal; its areas are known."""
    found = Wulff({"100": 2.0, "111": ROOT3}, diameter=10)
    edges = {
        round(float(np.linalg.norm(found.vertices[a] - found.vertices[b])), 9)
        for face in found.faces
        for a, b in zip(face, (*face[1:], face[0]), strict=True)
    }
    assert len(edges) == 1
    edge = edges.pop()
    assert found.volume == pytest.approx(8 * 2**0.5 * edge**3)
    assert found.facet_areas["100"] == pytest.approx(6 * edge**2)
    assert found.facet_areas["111"] == pytest.approx(12 * ROOT3 * edge**2)
    assert sum(found.facet_shares.values()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("ratio", "corners", "absent"),
    [(2 / ROOT3 - 1e-2, 24, None), (2 / ROOT3, 12, None), (ROOT3, 8, "111"), (0.57, 6, "100")],
)
def test_the_family_from_the_cube_to_the_octahedron(ratio, corners, absent):
    """The cuboctahedron lies at 2/√3, the cube from √3 on, the octahedron below 1/√3."""
    found = Wulff({"100": 1.0, "111": ratio}, diameter=8)
    assert len(found.vertices) == corners
    assert found.symmetry_group == "Oh"
    assert found.volume == pytest.approx(np.pi / 6 * 512)
    for form, area in found.facet_areas.items():
        assert (area < 1e-9) == (form == absent)


def test_only_ratios_and_names_of_forms_count():
    one = Wulff({"100": 1.0, (1, 1, 0): 1.05}, diameter=9)
    other = Wulff({"1 0 0": 40.0, "-1-10": 42.0}, diameter=9)
    assert np.allclose(sorted(map(tuple, one.vertices)), sorted(map(tuple, other.vertices)))
    assert one.facet_areas["110"] == pytest.approx(other.facet_areas["-1-10"])


@pytest.mark.parametrize(
    ("symmetry", "group", "faces"),
    [("m-3m", "Oh", 48), ("-43m", "Td", 24), ("432", "O", 24), ("m-3", "Th", 24), ("23", "T", 12)],
)
def test_a_general_form_has_as_many_faces_as_the_point_group_operations(symmetry, group, faces):
    found = Wulff({"321": 1.0}, diameter=10, symmetry=symmetry)
    assert (found.symmetry_group, len(found.faces)) == (group, faces)


def test_a_lattice_that_is_not_cubic():
    found = Wulff({"001": 1.3, "110": 1.0}, diameter=10, symmetry="4/mmm", lattice=(1.0, 1.0, 2.0))
    assert found.symmetry_group == "D4h"
    steep = Wulff({"101": 1.0}, diameter=10, symmetry="4/mmm", lattice=(1.0, 1.0, 2.0))
    normal = np.abs(steep.bodies()[0].planes[0, :3])
    assert sorted(normal) == pytest.approx(sorted(np.array([2.0, 0.0, 1.0]) / 5**0.5))


def test_it_is_a_particle_like_others():
    gold = sf.Wulff({"100": 1.0, "111": 0.87}, diameter=6, material="Au")
    again = pickle.loads(pickle.dumps(gold))
    assert again == gold
    assert hash(again) == hash(gold)
    assert "'111': 0.87" in repr(gold)
    assert sf.simulate(gold, seed=1).max() > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({"10": 1.0}, 5), r"energies: '10' is no form"),
        (({"abc": 1.0}, 5), r"energies: 'abc' is no form"),
        (({"000": 1.0}, 5), r"energies: '000' is no form"),
        (({"100": 1.0, "1 0 0": 2.0}, 5), "names the form 100 twice"),
        (({"100": -1.0}, 5), r"energies\['100'\] must be larger than 0"),
        (({"100": 1.0}, 5, "m3m"), "symmetry is 'm3m', expected one of m-3m"),
        (({"100": 1.0}, 5, "m-3m", (1, 1, 2)), "lattice is .* expected the symmetry of 'm-3m'"),
        (({"100": 1.0}, 5, "mmm"), "do not close under mmm"),
    ],
)
def test_what_is_no_wulff_shape_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Wulff(*arguments)


def test_energies_must_be_a_mapping():
    with pytest.raises(TypeError, match="energies must be a mapping"):
        Wulff(1.0, 5)
