"""Corner masks under a cuboid's symmetry: class counts, orbits, mirror partners, names."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from stemfast.particles import Cuboid
from stemfast.symmetry import (
    CORNER_SIGNS,
    corner_permutation,
    cuboid_symmetry,
    mask_corners,
    rotation_quaternions,
    schoenflies,
)

# edges, group, rotation group, operations, classes, classes up to mirror images
BOXES = [
    ((2, 2, 2), "Oh", "O", 48, 23, 22),
    ((2, 2, 1), "D4h", "D4", 16, 43, 34),
    ((1, 2, 2), "D4h", "D4", 16, 43, 34),
    ((2, 1, 2), "D4h", "D4", 16, 43, 34),
    ((1, 2, 3), "D2h", "D2", 8, 76, 46),
]


@pytest.fixture(params=[row[0] for row in BOXES], ids=str)
def box(request):
    return cuboid_symmetry(request.param, tolerance_nm=0)


@pytest.mark.parametrize(("edges", "group", "rotations", "order", "classes", "mirrored"), BOXES)
def test_groups_and_class_counts(edges, group, rotations, order, classes, mirrored):
    box = cuboid_symmetry(edges, tolerance_nm=0)
    assert (box.group, box.rotation_group) == (group, rotations)
    assert box.operations.shape == (order, 3, 3)
    assert box.rotations.shape == (order // 2, 3, 3)
    assert len(box.classes) == classes
    assert len(box.classes_up_to_mirror) == mirrored
    assert schoenflies(box.operations.astype(float)) == group
    assert schoenflies(box.rotations.astype(float)) == rotations


def test_the_group_is_all_signed_permutations_that_keep_the_edges(box):
    edges = {None: (1, 2, 3), 0: (1, 2, 2), 1: (2, 1, 2), 2: (2, 2, 1)}[box.unique_axis]
    edges = (2, 2, 2) if box.group == "Oh" else edges
    expected = set()
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((-1, 1), repeat=3):
            matrix = np.zeros((3, 3), dtype=int)
            matrix[range(3), order] = signs
            if tuple(np.abs(matrix) @ edges) == edges:
                expected.add(matrix.tobytes())
    assert {m.astype(int).tobytes() for m in box.operations} == expected
    assert np.array_equal(box.operations[0], np.eye(3))
    determinants = np.linalg.det(box.operations).round()
    half = len(box.operations) // 2
    assert (determinants[:half] == 1).all()
    assert (determinants[half:] == -1).all()


def test_permutations_are_what_the_matrices_do_to_the_corners(box):
    for matrix, permutation in zip(box.operations, box.permutations, strict=True):
        np.testing.assert_array_equal(CORNER_SIGNS[permutation], CORNER_SIGNS @ matrix.T)


def test_corner_numbers_follow_the_bits():
    np.testing.assert_array_equal(CORNER_SIGNS[[0, 1, 2, 4]], np.ones((4, 3)) * -1 + 2 * np.array(
        [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    ))  # fmt: skip
    assert mask_corners(0b10010001) == (0, 4, 7)


def test_the_same_half_of_both_orders_turns_and_mirrors():
    """A rotation of the corners by SciPy gives the table's permutation."""
    quarter = Rotation.from_euler("z", 90, degrees=True)
    turned = quarter.apply(CORNER_SIGNS).round()
    expected = [int(np.flatnonzero((CORNER_SIGNS == t).all(axis=1))[0]) for t in turned]
    np.testing.assert_array_equal(corner_permutation(quarter.as_matrix().round()), expected)


def test_orbits_partition_the_masks_and_divide_the_group(box):
    for mirror in (False, True):
        order = len(box.operations) // (1 if mirror else 2)
        seen = {}
        for mask in range(256):
            orbit = box.orbit(mask, mirror=mirror)
            assert mask in orbit
            assert order % len(orbit) == 0
            assert len({m.bit_count() for m in orbit}) == 1
            assert seen.setdefault(orbit[0], orbit) == orbit
            assert box.canonical(mask, mirror=mirror) == orbit[0]
        assert sum(map(len, seen.values())) == 256
        assert len(seen) == len(box.classes_up_to_mirror if mirror else box.classes)


def test_class_numbers_are_vectorised_and_ordered(box):
    masks = np.arange(256).reshape(16, 16)
    for mirror in (False, True):
        classes = box.classes_up_to_mirror if mirror else box.classes
        numbers = box.class_index(masks, mirror=mirror)
        assert numbers.shape == (16, 16)
        np.testing.assert_array_equal(classes[numbers], box.canonical(masks, mirror=mirror))
        assert np.unique(numbers).tolist() == list(range(len(classes)))
        sizes = [int(m).bit_count() for m in classes]
        assert sizes == sorted(sizes)
    assert box.class_index(0) == 0
    assert box.class_index(255) == len(box.classes) - 1


def test_number_of_classes_by_burnside(box):
    """The mean number of masks that an operation fixes, 2^(cycles of its permutation)."""

    def fixed(permutation):
        seen, cycles = set(), 0
        for start in range(8):
            cycles += start not in seen
            while start not in seen:
                seen.add(start)
                start = int(permutation[start])
        return 2**cycles

    assert np.mean([fixed(p) for p in box.rotation_permutations]) == len(box.classes)
    assert np.mean([fixed(p) for p in box.permutations]) == len(box.classes_up_to_mirror)


def test_chiral_masks_come_in_partners(box):
    masks = np.arange(256)
    chiral = box.is_chiral(masks)
    partner = box.mirror_partner(masks)
    np.testing.assert_array_equal(box.mirror_partner(partner), box.canonical(masks))
    np.testing.assert_array_equal(partner != box.canonical(masks), chiral)
    np.testing.assert_array_equal(box.is_chiral(partner), chiral)
    pairs = box.is_chiral(box.classes).sum()
    assert pairs == 2 * (len(box.classes) - len(box.classes_up_to_mirror))


def test_chiral_means_that_the_edited_solid_has_no_improper_operation():
    from stemfast.particles import Truncation

    for edges in ((8.0, 8.0, 8.0), (8.0, 8.0, 5.0), (8.0, 6.0, 5.0)):
        box = cuboid_symmetry(edges, tolerance_nm=0)
        for mask in box.classes.tolist():
            particle = Cuboid(edges, {c: Truncation(0.2) for c in mask_corners(mask)})
            improper = np.linalg.det(particle._operations) < 0
            assert box.is_chiral(mask) == (not improper.any())
            # Orbit and stabiliser: their sizes multiply to the group's.
            assert len(box.orbit(mask)) * particle.symmetry_order == len(box.rotations)


def test_the_only_chiral_pair_on_a_cube_is_the_twisted_chain():
    cube = cuboid_symmetry((1, 1, 1), tolerance_nm=0)
    names = [cube.class_name(int(m)) for m in cube.classes if cube.is_chiral(m)]
    assert names == ["twisted chain, left-handed", "twisted chain, right-handed"]


def test_pairs_on_a_cube_have_the_names_everybody_uses():
    cube = cuboid_symmetry((1, 1, 1), tolerance_nm=0)
    words = {1: "edge", 2: "face diagonal", 3: "body diagonal"}
    for a, b in itertools.combinations(range(8), 2):
        assert cube.class_name(1 << a | 1 << b) == words[(a ^ b).bit_count()]


def test_names_are_all_different_and_complete(box):
    for mirror in (False, True):
        names = box.class_names_up_to_mirror if mirror else box.class_names
        assert len(set(names)) == len(names)
        for mask in range(256):
            assert box.class_name(mask, mirror=mirror) in names
    assert box.class_names[0] == "none"
    assert box.class_names_up_to_mirror[1] == "one corner"
    assert box.class_names[-1] == "all corners"
    assert not any("handed" in name for name in box.class_names_up_to_mirror)


@pytest.mark.parametrize(
    ("mask", "name"),
    [
        (0b00000011, "edge along x"),
        (0b00000101, "edge along y"),
        (0b00010001, "edge along z"),
        (0b00000111, "three of an xy face, left-handed"),
        (0b00001111, "four of an xy face"),
        (0b01010101, "four of a yz face"),
        (0b10000001, "body diagonal"),
        (0b01101001, "four alternate, left-handed"),
        (0b11000011, "two opposite edges along x"),
        (0b00010111, "corner and its neighbours, left-handed"),
        (0b11111100, "all but edge along x"),
    ],
)
def test_names_on_a_cuboid_with_three_different_edges(mask, name):
    assert cuboid_symmetry((3, 2, 1), tolerance_nm=0).class_name(mask) == name


def test_edges_are_equal_within_the_tolerance_given():
    assert cuboid_symmetry((20, 20.5, 19.5), tolerance_nm=1).group == "Oh"
    assert cuboid_symmetry((20, 20.5, 16), tolerance_nm=1).unique_axis == 2
    assert cuboid_symmetry((20, 20.5, 16), tolerance_nm=0.4).group == "D2h"
    with pytest.raises(ValueError, match="leaves open which of the edges"):
        cuboid_symmetry((20, 20.5, 19.5), tolerance_nm=0.6)


@given(st.lists(st.integers(0, 255), min_size=1, max_size=20), st.integers(0, 23))
def test_turning_a_mask_does_not_change_its_class(masks, number):
    cube = cuboid_symmetry((1, 1, 1), tolerance_nm=0)
    permutation = cube.rotation_permutations[number]
    turned = [sum(1 << int(permutation[c]) for c in mask_corners(m)) for m in masks]
    np.testing.assert_array_equal(cube.class_index(masks), cube.class_index(turned))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda box: box.class_index(256), ValueError, r"masks must be in 0…255, got 256 … 256"),
        (lambda box: box.class_index([-1, 3]), ValueError, "masks must be in 0…255, got -1 … 3"),
        (lambda box: box.class_index([0.5]), TypeError, "masks must be integers"),
        (lambda box: box.is_chiral([True]), TypeError, "masks must be integers"),
        (lambda box: box.orbit([1, 2]), TypeError, "mask must be one integer"),
        (lambda box: cuboid_symmetry((1, 2), tolerance_nm=0), ValueError, "edges must be three"),
        (lambda box: cuboid_symmetry((1, 2, 0), tolerance_nm=0), ValueError, r"edges\[2\]"),
        (lambda box: cuboid_symmetry((1, 2, 3), tolerance_nm=-1), ValueError, "tolerance_nm must"),
        (lambda box: cuboid_symmetry((1, 2, 3), tolerance_nm=np.nan), ValueError, "tolerance_nm"),
        (lambda box: corner_permutation(np.ones((3, 3))), ValueError, "signed permutation"),
        (lambda box: corner_permutation(np.eye(2)), ValueError, "signed permutation"),
    ],
)
def test_bad_arguments_are_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call(cuboid_symmetry((1, 1, 1), tolerance_nm=0))


def generated(*matrices):
    """The group that orthogonal matrices generate."""
    group = {np.eye(3).round(6).tobytes(): np.eye(3)}
    waiting = list(group.values())
    while waiting:
        element = waiting.pop()
        for product in (element @ matrix for matrix in matrices):
            key = (product.round(6) + 0.0).tobytes()
            if key not in group:
                group[key] = product
                waiting.append(product)
    return np.array(list(group.values()))


def turn(axis, n):
    return Rotation.from_rotvec(np.array(axis) / np.linalg.norm(axis) * 2 * np.pi / n).as_matrix()


MIRROR_Z = np.diag([1.0, 1.0, -1.0])
MIRROR_X = np.diag([-1.0, 1.0, 1.0])
GOLDEN = (1 + 5**0.5) / 2


@pytest.mark.parametrize(
    ("generators", "symbol"),
    [
        ((np.eye(3),), "C1"),
        ((MIRROR_Z,), "Cs"),
        ((-np.eye(3),), "Ci"),
        ((turn((0, 0, 1), 2),), "C2"),
        ((turn((0, 0, 1), 5),), "C5"),
        ((turn((0, 0, 1), 2), MIRROR_Z), "C2h"),
        ((turn((0, 0, 1), 2), MIRROR_X), "C2v"),
        ((turn((0, 0, 1), 3), MIRROR_Z), "C3h"),
        ((turn((0, 0, 1), 6), MIRROR_X), "C6v"),
        ((turn((0, 0, 1), 4) @ MIRROR_Z,), "S4"),
        ((turn((0, 0, 1), 6) @ MIRROR_Z,), "S6"),
        ((turn((0, 0, 1), 2), turn((1, 0, 0), 2)), "D2"),
        ((turn((0, 0, 1), 6), turn((1, 0, 0), 2)), "D6"),
        ((turn((0, 0, 1), 3), turn((1, 0, 0), 2), MIRROR_Z), "D3h"),
        ((turn((0, 0, 1), 4) @ MIRROR_Z, turn((1, 0, 0), 2)), "D2d"),
        ((turn((0, 0, 1), 10) @ MIRROR_Z, turn((1, 0, 0), 2)), "D5d"),
        ((turn((0, 0, 1), 5), turn((1, 0, 0), 2), MIRROR_Z), "D5h"),
        ((turn((0, 0, 1), 12) @ MIRROR_Z, turn((1, 0, 0), 2)), "D6d"),
        ((turn((0, 0, 1), 2), turn((1, 1, 1), 3)), "T"),
        ((turn((0, 0, 1), 2), turn((1, 1, 1), 3), -np.eye(3)), "Th"),
        ((turn((0, 0, 1), 4) @ MIRROR_Z, turn((1, 1, 1), 3)), "Td"),
        ((turn((0, 0, 1), 4), turn((1, 1, 1), 3)), "O"),
        ((turn((0, 0, 1), 4), turn((1, 1, 1), 3), MIRROR_Z), "Oh"),
        ((turn((0, 1, GOLDEN), 5), turn((1, 1, 1), 3)), "I"),
        ((turn((0, 1, GOLDEN), 5), turn((1, 1, 1), 3), MIRROR_Z), "Ih"),
    ],
)
def test_schoenflies_symbols_in_any_pose(generators, symbol):
    pose = Rotation.random(rng=11).as_matrix()
    group = pose @ generated(*generators) @ pose.T
    assert schoenflies(group) == symbol
    quaternions = rotation_quaternions(group)
    assert len(quaternions) == (np.linalg.det(group) > 0).sum()
    np.testing.assert_allclose(quaternions[0], (0, 0, 0, 1), atol=1e-9)
