"""Truth of fields: chords, masks, outlines, labels and boxes against a slow reference."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from stemfast.fields import KINDS, FieldRecipe
from stemfast.fields.bodies import Bodies
from stemfast.fields.contrast import Depths, Optics
from stemfast.fields.population import Population
from stemfast.fields.scene import contamination
from stemfast.fields.shapes import library, scaled
from stemfast.fields.truth import judged
from stemfast.fields.windows import windows_of
from stemfast.particles.geometry.body import ConvexBody, EllipsoidBody
from stemfast.reference.solids import chords
from stemfast.scattering import ScatteringCurve

PLAIN = ScatteringCurve.exponential(1.0)

SHAPE, PIXEL = (61, 83), 0.4


def some_bodies(n=40, seed=1):
    """Every shape, stretched and turned, some over the border or beyond it; every third hollow."""
    rng = np.random.default_rng(seed)
    height, width = np.array(SHAPE) * PIXEL
    count = np.where(np.arange(n) % 3 == 0, 2, 1)
    first = np.concatenate([[0], np.cumsum(count)])
    outer = first[:-1]
    bodies = Bodies()
    total = int(first[-1])
    shape = rng.integers(0, len(library().names), total)
    shape[:20] = np.arange(20)
    scale = rng.uniform(0.6, 5.0, (total, 3))
    place = rng.uniform(-0.6, 0.6, (total, 3)) * (width, height, 10.0)
    weight = rng.uniform(0.01, 0.1, total)
    inner = np.setdiff1d(np.arange(total), outer)
    shape[inner], scale[inner], place[inner] = 0, 0.3 * scale[inner - 1], place[inner - 1]
    weight[inner] *= -1.0
    turned = Rotation.random(total, rng=rng).as_quat()
    bodies.add(shape, scale, place, weight, turned)
    return bodies, first


def reference_chords(bodies, row):
    """Chord of one body at every pixel of the field, float64."""
    table = scaled(bodies.shape[row : row + 1], bodies.scale[row : row + 1])
    if bodies.shape[row] < 2:
        body = EllipsoidBody(tuple(0.5 * bodies.scale[row]))
    else:
        body = ConvexBody(table.planes, table.vertices)
    rows, columns = SHAPE
    y, x = np.indices(SHAPE)
    x = (x.ravel() - 0.5 * (columns - 1)) * PIXEL
    y = (y.ravel() - 0.5 * (rows - 1)) * PIXEL
    matrix = Rotation.from_quat(bodies.orientation[row]).as_matrix()
    return chords(body, matrix, bodies.position[row], x, y).reshape(SHAPE)


@pytest.fixture(scope="module")
def drawn():
    bodies, first = some_bodies()
    path = np.stack([reference_chords(bodies, row) for row in range(len(bodies))])
    return bodies, first, path, list(windows_of(bodies, first, SHAPE, PIXEL))


def test_windows_hold_the_chords_of_their_bodies(drawn):
    bodies, first, path, windows = drawn
    for window in windows:
        own = slice(first[window.particle], first[window.particle + 1])
        expected = np.tensordot(bodies.weight[own], path[own], axes=1)
        whole = np.zeros(SHAPE)
        whole[window.rows, window.columns] = window.depth
        largest = float(bodies.scale[own].max() * np.abs(bodies.weight[own]).max())
        # A pixel that grazes an edge may fall on either side of it.
        off = np.abs(whole - expected) > 2e-4 * largest
        assert off.sum() <= 1 + 0.002 * (expected > 0).sum()


def test_masks_are_where_the_outside_has_a_chord(drawn):
    _, first, path, windows = drawn
    found = {window.particle: window for window in windows}
    for particle, row in enumerate(first[:-1].tolist()):
        mask = np.zeros(SHAPE, bool)
        if particle in found:
            window = found[particle]
            mask[window.rows, window.columns] = window.inside
        differs = mask != (path[row] > 0)
        assert (path[row][differs] < 1e-3).all()
        assert differs.sum() <= 2


def test_windows_are_as_large_as_their_bodies(drawn):
    """No body ends at the border of its window, unless that is the field's."""
    *_, windows = drawn
    for window in windows:
        edge = np.zeros_like(window.inside)
        edge[0] = window.rows.start > 0
        edge[-1] |= window.rows.stop < SHAPE[0]
        edge[:, 0] |= window.columns.start > 0
        edge[:, -1] |= window.columns.stop < SHAPE[1]
        assert not (window.inside & edge).any()


def inside_of(outline, points, margin):
    """Points inside a convex outline, or at most `margin` beyond it."""
    middle = outline.mean(axis=0)
    inside = np.ones(len(points), bool)
    for a, b in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        normal = np.array([b[1] - a[1], a[0] - b[0]])
        normal /= np.hypot(*normal)
        if normal @ (middle - a) > 0:
            normal = -normal
        inside &= (points - a) @ normal <= margin
    return inside


def test_contamination_is_the_grown_bodies_less_their_own(drawn):
    """Half-spaces of the grown bodies by hand, chords by the reference; carbon stays bare."""
    bodies, first, path, _ = drawn
    n, t = len(first) - 1, 0.7
    material = ["C" if row == first[3] else "Pt" for row in range(len(bodies))]
    zeros = np.zeros(n)
    people = Population(bodies, first, zeros.astype(int), tuple(material), zeros, zeros)
    rows, columns = SHAPE
    y, x = (
        PIXEL * a.ravel()
        for a in np.indices(SHAPE) - 0.5 * np.array([[[rows - 1]], [[columns - 1]]])
    )
    signs = np.array([s for s in np.ndindex(3, 3, 3) if s != (1, 1, 1)]) - 1.0
    signs /= np.linalg.norm(signs, axis=1)[:, None]
    expected = np.zeros(SHAPE)
    for k, row in enumerate(first[:-1].tolist()):
        if k == 3:
            continue
        if bodies.shape[row] < 2:
            grown = EllipsoidBody(tuple(0.5 * bodies.scale[row] + t))
        else:
            table = scaled(bodies.shape[row : row + 1], bodies.scale[row : row + 1])
            normals = np.concatenate([table.planes[:, :3], signs])
            reach = (normals @ table.vertices.T).max(axis=1) + t
            grown = ConvexBody(np.column_stack([normals, reach]), table.vertices)
        matrix = Rotation.from_quat(bodies.orientation[row]).as_matrix()
        outer = chords(grown, matrix, bodies.position[row], x, y).reshape(SHAPE)
        expected += outer - path[row]
    found = contamination(people, t, SHAPE, PIXEL)
    assert (np.abs(found - expected) > 1e-3).mean() < 0.002  # grazed edges
    assert found.min() >= 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_labels_lie_inside_the_outlines(kind):
    field = FieldRecipe(kinds=(kind,), rows=90, columns=120, diameter_px=(8.0, 40.0)).draw(2, 1)
    grid = np.stack(np.indices(field.labels.shape), axis=-1).reshape(-1, 2)
    hidden_by = np.zeros(field.labels.size, bool)
    # The last ones lie on top.
    for number in reversed(range(len(field.truth))):
        outline = field.outline_px(number)
        own = field.labels.ravel() == number + 1
        slack = 0.05 + 0.003 * np.ptp(outline, axis=0).max()  # an ellipse has 48 corners
        surely = inside_of(outline, grid, -slack) & ~hidden_by
        assert (surely <= own).all()
        assert (own <= inside_of(outline, grid, slack)).all()
        hidden_by |= own | surely


def test_columns_of_the_truth(drawn):
    bodies, first, path, windows = drawn
    outer = path[first[:-1]] > 0
    n = len(first) - 1
    people = Population(
        bodies,
        first,
        bodies.shape[first[:-1]] % 12,
        ("C",) * len(bodies),
        np.arange(n) * 0.1,
        np.linspace(0.5, 1.5, n),
    )
    nothing = np.zeros(SHAPE, np.float32)
    depth = np.zeros(SHAPE, np.float32)
    for window in windows:
        depth[window.rows, window.columns] += window.depth
    truth, labels = judged(
        people, windows, Depths(depth, nothing, nothing, PLAIN), Optics(False, 1e4, 1)
    )
    assert truth.label.tolist() == list(range(1, len(truth) + 1))
    assert sorted(truth.particle.tolist()) == np.flatnonzero(outer.any(axis=(1, 2))).tolist()
    assert (np.diff(truth.area_px) <= 0).all()
    assert np.array_equal(truth.kind, people.kind[truth.particle])
    assert np.array_equal(truth.diameter_nm, people.diameter_nm[truth.particle])
    assert np.array_equal(truth.brightness, people.brightness[truth.particle])
    height, width = 0.5 * np.array(SHAPE) * PIXEL
    for number, particle in enumerate(truth.particle.tolist()):
        mask = outer[particle]
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1)
        assert np.abs(truth.box[number] - box).max() <= 1
        assert abs(int(truth.area_px[number]) - int(mask.sum())) <= 2
        assert truth.seen_px[number] == (labels == number + 1).sum() <= truth.area_px[number]
        # An outline well over the border is cut, one well within it is not.
        x, y = projected(bodies, int(first[particle])).T
        beyond = max(float(np.abs(x).max() - width), float(np.abs(y).max() - height)) / PIXEL
        if abs(beyond) > 1.0:
            assert truth.cut[number] == (beyond > 0), (number, beyond)
    assert truth.cut.any()
    assert not truth.cut.all()


def projected(bodies, row):
    """Points all over the surface of a body as the beam sees them, x and y [nm]."""
    corners = library().vertices[bodies.shape[row]]
    if len(corners) == 0:
        corners = np.random.default_rng(1).normal(size=(20_000, 3))
        corners *= 0.5 / np.linalg.norm(corners, axis=1, keepdims=True)
    turn = Rotation.from_quat(bodies.orientation[row])
    return (turn.apply(corners * bodies.scale[row]) + bodies.position[row])[:, :2]


def one_ball(electrons_px, *, cover=None):
    """Truth of a ball of 10 px, alone or under others."""
    bodies = Bodies()
    place = np.zeros((1, 3)) if cover is None else np.array([[0.0, 0, 0], [cover, 0, 0]])
    n = len(place)
    bodies.add_spheres(np.array([4.0, 3.9])[:n], place, np.full(n, 0.05))
    first = np.arange(n + 1)
    people = Population(
        bodies, first, np.zeros(n, np.int64), ("C",) * n, np.full(n, 4.0), np.ones(n)
    )
    windows = list(windows_of(bodies, first, SHAPE, PIXEL))
    depth = np.zeros(SHAPE, np.float32)
    for window in windows:
        depth[window.rows, window.columns] += window.depth
    film = np.full(SHAPE, 0.05, np.float32)
    depths = Depths(depth, np.zeros(SHAPE, np.float32), film, PLAIN)
    return judged(people, windows, depths, Optics(False, electrons_px, 1.0))[0]


def test_nothing_is_visible_without_electrons():
    assert one_ball(1e3).visible.all()
    faint = one_ball(1e-6)
    assert not faint.visible.any()
    assert (faint.signal_to_noise < 1e-2).all()


def test_signal_to_noise_grows_with_the_root_of_the_dose():
    one, hundred = one_ball(1.0).signal_to_noise, one_ball(100.0).signal_to_noise
    assert np.allclose(hundred, 10.0 * one, rtol=1e-6)


def test_signal_to_noise_is_that_of_the_formula():
    truth = one_ball(50.0)
    y, x = np.indices(SHAPE)
    r2 = ((x - 41.0) ** 2 + (y - 30.0) ** 2) * PIXEL**2
    chord = 2.0 * np.sqrt(np.maximum(4.0 - r2, 0.0))
    inside = chord > 0
    through = np.exp(-0.05 * chord - 0.05)[inside]
    radius2 = inside.sum() / np.pi
    kept = radius2 / (radius2 + 2.0 * 0.4247**2)  # what a probe of 1 px leaves of the peak
    change = (0.05 * chord[inside] * through).mean() * kept
    noise = np.sqrt((1.0 - through).mean() / 50.0 / inside.sum())
    assert truth.signal_to_noise[0] == pytest.approx(change / noise, rel=1e-4)


def test_a_covered_particle_is_not_visible():
    beside, under = one_ball(1e3, cover=4.2), one_ball(1e3, cover=0.1)
    assert beside.visible.all()
    assert under.seen_px[0] < 0.35 * under.area_px[0]
    assert under.visible.tolist() == [False, True]


def test_structure_of_the_support_hides_particles():
    rng = np.random.default_rng(1)
    bodies = Bodies()
    bodies.add_spheres(np.array([4.0]), np.zeros((1, 3)), np.array([0.01]))
    people = Population(
        bodies, np.arange(2), np.zeros(1, np.int64), ("C",), np.full(1, 4.0), np.ones(1)
    )
    (window,) = windows_of(bodies, np.arange(2), SHAPE, PIXEL)
    depth = np.zeros(SHAPE, np.float32)
    depth[window.rows, window.columns] = window.depth
    even = np.full(SHAPE, 0.2, np.float32)
    lumpy = np.kron(rng.uniform(0.0, 0.4, (9, 12)), np.ones((7, 7)))[: SHAPE[0], : SHAPE[1]]
    found = [
        judged(
            people,
            [window],
            Depths(depth, rest.astype(np.float32), 0 * depth, PLAIN),
            Optics(False, 1e5, 1.0),
        )[0]
        for rest in (even, lumpy)
    ]
    assert [bool(truth.visible[0]) for truth in found] == [True, False]
    assert found[0].contrast[0] > 100 * found[1].contrast[0]


def test_a_field_without_particles_in_view_has_an_empty_truth():
    bodies = Bodies()
    bodies.add_spheres(np.array([2.0]), np.array([[500.0, 0, 0]]), np.ones(1))
    people = Population(
        bodies, np.arange(2), np.zeros(1, np.int64), ("C",), np.full(1, 2.0), np.ones(1)
    )
    windows = list(windows_of(bodies, np.arange(2), SHAPE, PIXEL))
    nothing = np.zeros(SHAPE, np.float32)
    truth, labels = judged(
        people, windows, Depths(nothing, nothing, nothing, PLAIN), Optics(False, 1, 1)
    )
    assert len(truth) == 0
    assert truth.box.shape == (0, 4)
    assert not labels.any()
