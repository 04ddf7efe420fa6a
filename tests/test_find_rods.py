"""Long bodies are joined from the pieces that star-convex outlines leave."""

import numpy as np

from stemfast.finding.network.chains import chained
from stemfast.finding.network.pyramid import OctaveReading
from stemfast.finding.network.rods import joined
from stemfast.finding.network.star import Stars
from stemfast.models.finder import STRIDE

SHAPE = (160, 208)


def box(rows, columns):
    mask = np.zeros(SHAPE, bool)
    mask[rows, columns] = True
    return mask


def tilted(middle, length, width, degrees):
    row, column = np.indices(SHAPE)
    angle = np.deg2rad(degrees)
    way = (row - middle[0]) * np.sin(angle) + (column - middle[1]) * np.cos(angle)
    off = (row - middle[0]) * np.cos(angle) - (column - middle[1]) * np.sin(angle)
    return (np.abs(way) < 0.5 * length) & (np.abs(off) < 0.5 * width)


def seen_of(bodies):
    """Answers of a network that knows the bodies, at the image's own scale."""
    from scipy import ndimage

    inside = np.zeros(SHAPE, bool)
    edge = np.zeros(SHAPE, bool)
    for body in bodies:
        inside |= body
        edge |= body & ~ndimage.binary_erosion(body, iterations=3)
    cells = slice(None, None, STRIDE), slice(None, None, STRIDE)
    return [OctaveReading(Stars.joined([]), inside[cells], edge[cells])]


def pieces(body, along, count):
    """Labels of a body cut into as many pieces."""
    row, column = np.nonzero(body)
    value = {"rows": row, "columns": column}[along]
    labels = np.zeros(SHAPE, np.int32)
    number = (count * (value - value.min())) // (np.ptp(value) + 1)
    labels[row, column] = number + 1
    return labels


def join(labels, bodies):
    score = np.linspace(0.6, 0.9, int(labels.max()))
    return joined(labels, score, seen_of(bodies))


def test_pieces_of_a_rod_become_one():
    rod = tilted((80, 100), 150, 18, 20)
    labels, score, origin = join(pieces(rod, "columns", 7), [rod])
    assert labels.max() == 1
    assert origin.tolist() == [-1]
    assert 0.6 <= score[0] <= 0.9
    assert (labels[rod] == 1).mean() > 0.85


def test_two_halves_in_line_are_one_rod_and_others_two():
    left, right = box(slice(70, 86), slice(10, 90)), box(slice(70, 86), slice(112, 190))
    labels = pieces(left, "columns", 3)
    labels[right] = pieces(right, "columns", 3)[right] + 3
    assert join(labels, [left, right])[0].max() == 1
    aside = box(slice(110, 126), slice(112, 190))
    labels = pieces(left, "columns", 3)
    labels[aside] = pieces(aside, "columns", 3)[aside] + 3
    assert join(labels, [left, aside])[0].max() == 2


def test_discs_that_touch_and_short_bodies_stay_as_they_are():
    row, column = np.indices(SHAPE)
    discs = [np.hypot(row - 80, column - x) < 15 for x in (40, 70, 100, 130)]
    labels = np.zeros(SHAPE, np.int32)
    for number, disc in enumerate(discs, start=1):
        labels[disc] = number
    found, score, origin = join(labels, discs)
    assert np.array_equal(found, labels)
    assert origin.tolist() == [0, 1, 2, 3]
    assert np.array_equal(score, np.linspace(0.6, 0.9, 4))
    square = box(slice(50, 100), slice(60, 120))
    halves = pieces(square, "columns", 2)
    assert np.array_equal(join(halves, [square])[0], halves)


def test_a_rod_that_came_out_whole_is_left_alone():
    rod = tilted((80, 100), 150, 18, 20)
    labels, _, origin = join(rod.astype(np.int32), [rod])
    assert np.array_equal(labels, rod)
    assert origin.tolist() == [0]


def test_nothing_gives_nothing():
    labels, score, origin = joined(np.zeros(SHAPE, np.int32), np.zeros(0), seen_of([]))
    assert labels.max() == 0
    assert len(score) == len(origin) == 0


def beads(body, degrees, width):
    """Discs along a long body, each as wide as it, one beside the other."""
    row, column = np.indices(SHAPE)
    middle = np.argwhere(body).mean(axis=0)
    angle = np.deg2rad(degrees)
    way = (row - middle[0]) * np.sin(angle) + (column - middle[1]) * np.cos(angle)
    reach = way[body].max()
    found = []
    for place in np.arange(-reach + 0.5 * width, reach, width):
        at = middle + place * np.array([np.sin(angle), np.cos(angle)])
        found.append(np.hypot(row - at[0], column - at[1]) < 0.5 * width)
    return found


def labelled(masks):
    labels = np.zeros(SHAPE, np.int32)
    for number, mask in enumerate(masks, start=1):
        labels[mask & (labels == 0)] = number
    return labels


def chain(masks, seen):
    return chained(labelled(masks), np.linspace(0.6, 0.9, len(masks)), seen)


def test_beads_along_a_rod_that_touches_another_become_one():
    long, short = tilted((80, 100), 150, 16, 20), tilted((50, 150), 70, 16, -70)
    discs, others = beads(long, 20, 16), beads(short, -70, 16)
    # So narrow that all of it is boundary.
    seen = [one._replace(boundary=one.foreground) for one in seen_of([long | short])]
    assert joined(labelled(discs + others), np.ones(len(discs + others)), seen)[0].max() > 2
    labels, score, origin = chain(discs + others, seen)
    assert labels.max() == 2
    assert origin.tolist() == [-1, -1]
    assert ((score >= 0.6) & (score <= 0.9)).all()
    assert (labels[long & ~short] == labels[80, 100]).mean() > 0.8
    assert (labels[short & ~long] == labels[50, 150]).mean() > 0.8


def test_beads_without_boundary_between_them_but_background_are_apart():
    rod = tilted((80, 100), 150, 16, 0)
    discs = beads(rod, 0, 16)[::2]  # every second one is not there
    assert chain(discs, seen_of(discs))[0].max() == len(discs)


def test_discs_with_boundary_between_them_are_particles():
    for number in (3, 4, 7):
        discs = beads(tilted((80, 100), 20 * number, 20, 0), 0, 20)
        assert len(discs) == number
        assert chain(discs, seen_of(discs))[0].max() == number


def test_boundary_across_a_long_rod_is_noise_and_across_a_short_one_is_not():
    for length, expected in ((60, 3), (140, 1)):
        rod = tilted((80, 100), length, 20, 0)
        discs = beads(rod, 0, 20)
        (seen,) = seen_of([rod])
        for place in range(length // 20 - 1):
            at = (100 - length // 2 + 20 * (place + 1)) // STRIDE
            seen.boundary[:, at - 1 : at + 2] = seen.foreground[:, at - 1 : at + 2]
        assert chain(discs, [seen])[0].max() == expected


def test_rows_of_a_monolayer_are_no_rods():
    row, column = np.indices(SHAPE)
    discs = [
        np.hypot(row - y, column - x) < 8 for y in range(12, 150, 16) for x in range(12, 200, 16)
    ]
    labels, _, origin = chain(discs, seen_of(discs))
    assert labels.max() == len(discs)
    assert (origin == np.arange(len(discs))).all()


def test_a_bend_is_not_straightened():
    arm, other = tilted((60, 60), 90, 14, 45), tilted((60, 124), 90, 14, -45)
    masks = beads(arm, 45, 14) + beads(other, -45, 14)
    labels = chain(masks, seen_of([arm | other]))[0]
    assert labels.max() >= 2


def test_two_particles_alone_and_none():
    one, other = box(slice(10, 20), slice(10, 20)), box(slice(90, 99), slice(90, 99))
    assert chain([one, other], seen_of([one, other]))[0].max() == 2
    labels, score, origin = chained(np.zeros(SHAPE, np.int32), np.zeros(0), seen_of([one]))
    assert labels.max() == len(score) == len(origin) == 0
