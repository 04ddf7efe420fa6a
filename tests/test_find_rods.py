"""Long bodies are joined from the pieces that star-convex outlines leave."""

import numpy as np

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
