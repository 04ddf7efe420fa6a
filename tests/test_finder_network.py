"""Star-convex outlines, targets, tiles and training of the finder's network."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

nnx = pytest.importorskip("flax.nnx")

from stemfast.fields import FieldRecipe  # noqa: E402
from stemfast.finding.network import pyramid, specks  # noqa: E402
from stemfast.finding.network.pyramid import MARGIN, octaves, read  # noqa: E402
from stemfast.finding.network.reading import (  # noqa: E402
    LEAST,
    SIZES_PX,
    found_stars,
    reader_of,
    shipped_reader,
)
from stemfast.finding.network.scaling import Seen, as_seen  # noqa: E402
from stemfast.finding.network.specks import of_a_size, stands_out  # noqa: E402
from stemfast.finding.network.star import Stars, candidates, chosen, painted, star_mask  # noqa: E402
from stemfast.models.finder import RAYS, STRIDE, Finder, FinderConfig, rays  # noqa: E402
from stemfast.training.finder.experiment import FinderExperiment  # noqa: E402
from stemfast.training.finder.own_images import Labelled, read_folder, sample_of  # noqa: E402
from stemfast.training.finder.samples import drawn, turned  # noqa: E402
from stemfast.training.finder.targets import targets_of  # noqa: E402

ALL = slice(None), slice(None)


def star(centre, radius, score=1.0):
    return Stars(np.array([centre], float), np.full((1, RAYS), float(radius)), np.array([score]))


@dataclass
class SeenBefore:
    """Channels of an image for the network, all of them at hand."""

    channels: np.ndarray

    @property
    def shape(self):
        return self.channels.shape[:2]

    def rows(self, first, last):
        return self.channels[first:last]


def inside_polygon(corners, y, x):
    """Crossing number of one point, the slow way."""
    crossed = False
    for (y0, x0), (y1, x1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) / (y1 - y0) * (x1 - x0):
            crossed = not crossed
    return crossed


def test_a_mask_is_that_of_the_polygon_through_the_ends_of_the_rays():
    rng = np.random.default_rng(1)
    centre, radii = np.array([21.3, 17.8]), rng.uniform(4.0, 15.0, RAYS)
    corners = centre + radii[:, None] * rays()
    rows, columns, inside = star_mask(centre, radii, (40, 37))
    found = np.zeros((40, 37), bool)
    found[rows, columns] = inside
    slow = [[inside_polygon(corners, y, x) for x in range(37)] for y in range(40)]
    assert np.array_equal(found, slow)


def test_a_mask_outside_the_image_is_empty():
    assert star_mask(np.array([-30.0, 5.0]), np.full(RAYS, 4.0), (20, 20))[2].sum() == 0


def test_areas_are_those_of_the_polygons():
    stars = star((30.2, 30.7), 20.0)
    inside = star_mask(stars.centre[0], stars.radii[0], (70, 70))[2]
    assert stars.area[0] == pytest.approx(inside.sum(), rel=0.01)
    assert stars.area[0] == pytest.approx(np.pi * 400, rel=0.01)


def test_candidates_are_the_local_maxima_with_their_rays():
    middle = np.zeros((8, 9), np.float32)
    middle[2, 3], middle[2, 4], middle[6, 7] = 0.9, 0.5, 0.3
    distance = np.arange(8 * 9 * RAYS, dtype=np.float32).reshape(8, 9, RAYS)
    found = candidates(middle, distance, 0.35, STRIDE, ALL)
    assert found.centre.tolist() == [[4.5, 6.5]]
    assert np.array_equal(found.radii[0], distance[2, 3])
    assert found.score == pytest.approx([0.9])


def test_of_outlines_over_each_other_the_best_is_kept():
    parts = [star((20, 20), 8, 0.6), star((21, 20), 8, 0.9), star((20, 50), 6, 0.7)]
    kept = chosen(Stars.joined(parts), (60, 70))
    assert kept.score.tolist() == [0.9, 0.7]
    touching = chosen(Stars.joined([star((20, 20), 8), star((20, 35), 8)]), (60, 70))
    assert len(touching) == 2
    inner = chosen(Stars.joined([star((20, 20), 15, 0.9), star((22, 20), 4, 0.8)]), (60, 70))
    assert inner.score.tolist() == [0.9]


def test_small_outlines_are_painted_over_large_ones():
    labels, order, over = painted(
        Stars.joined([star((20, 30), 4), star((20, 20), 12), star((50, 50), 3)]), (60, 60)
    )
    assert order.tolist() == [1, 0, 2]
    assert labels[20, 30] == 2
    assert labels[20, 12] == 1
    assert over.tolist() == [True, True, False]
    assert set(np.unique(labels)) == {0, 1, 2, 3}


def test_octaves_keep_places_and_sizes():
    rows, columns = np.indices((128, 160))
    disc = (np.hypot(rows - 50.0, columns - 90.0) < 20).astype(np.float32)
    factors = []
    for octave in octaves(disc):
        factors.append(octave.factor)
        y, x = np.nonzero(octave.image > 0.5)
        mean = np.array([[y.mean(), x.mean()]])
        size = np.sqrt(len(y) / np.pi)
        back = Stars(mean, np.full((1, RAYS), size), np.ones(1)).scaled(1.0 / octave.factor)
        assert back.centre[0] == pytest.approx([50.0, 90.0], abs=0.51 / octave.factor)
        assert back.radii[0, 0] == pytest.approx(20.0, rel=0.08)
    assert factors == [2.0, 1.0, 0.5]


def test_a_large_image_of_small_particles_is_read_enlarged_too(monkeypatch):
    """Particles of 4 px side by side, as in an image that is too large to be enlarged unasked."""
    recipe = FieldRecipe(
        kinds=("monolayer",),
        rows=256,
        columns=256,
        diameter_px=(4.0, 4.5),
        bright_field=0.0,
        empty=0.0,
        laboratory=0.0,
        best_signal_to_noise=20.0,
    )
    reader = shipped_reader()
    monkeypatch.setattr(pyramid, "_UP_TO", 200)
    for index, least in ((0, 0.9), (5, 0.85)):  # some are found at the image's scale, and none
        field = recipe.draw(3, index)
        monkeypatch.setattr(pyramid, "_AT_MOST", 4000)
        stars, _, answers = found_stars(field.image, reader)
        assert sorted(one.factor for one in answers if one.factor > 0.5) == [1.0, 2.0]
        monkeypatch.setattr(pyramid, "_AT_MOST", 200)
        plain = len(found_stars(field.image, reader)[0])
        assert plain < 0.4 * len(field.truth)
        assert least * len(field.truth) < len(stars) <= len(field.truth)
    monkeypatch.setattr(pyramid, "_AT_MOST", 4000)
    own = [answer for answer in answers if answer.factor <= 1.0]
    sure = Stars(np.full((9, 2), 50.0), np.full((9, RAYS), 12.0), np.full(9, 0.95))

    def again(picture, known):
        return pyramid.read_enlarged(picture, known, 1.0, reader, LEAST, SIZES_PX)

    assert [one.factor for one in again(field.image, own)] == [2.0]
    assert again(field.image, [own[0]._replace(stars=sure)]) == []
    assert again(field.image[:200, :200], own) == []
    noise = np.random.default_rng(0).poisson(50.0, (256, 256)).astype(np.float32)
    nothing = [own[0]._replace(stars=sure.taken(np.zeros(9, bool)))]
    assert again(noise, nothing) == []


def test_tiles_have_no_seams():
    """What a network finds does not depend on where the tiles lie."""
    finder = Finder(FinderConfig(widths=(4, 6, 8, 8), head=6), rngs=nnx.Rngs(3))
    rng = np.random.default_rng(0)
    image = rng.normal(size=(900, 860)).astype(np.float32)
    seen = as_seen(image)
    reader = reader_of(finder)
    whole = read(SeenBefore(seen), reader, 0.0).stars
    # Moved by a multiple of what the network's octaves share, tiles fall elsewhere.
    moved = read(SeenBefore(np.roll(seen, (64, 32), axis=(0, 1))), reader, 0.0).stars
    away = 2 * MARGIN
    inner = Stars.taken(
        whole, ((whole.centre > away) & (whole.centre < np.array(image.shape) - away)).all(axis=1)
    )
    back = {
        tuple(c): r for c, r in zip((moved.centre - (64, 32)).tolist(), moved.radii, strict=True)
    }
    assert len(inner) > 3
    for centre, radii in zip(inner.centre.tolist(), inner.radii, strict=True):
        np.testing.assert_allclose(back[tuple(centre)], radii, rtol=1e-4)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_rows_are_seen_as_in_the_whole_image(sign):
    image = np.random.default_rng(5).normal(3.0, 2.0, (700, 90)).astype(np.float32)
    whole, seen = as_seen(np.float32(sign) * image), Seen(image, sign)
    for first, last in ((0, 130), (250, 430), (500, 700), (0, 700)):
        np.testing.assert_array_equal(seen.rows(first, last), whole[first:last])


def test_specks_of_a_large_image_are_those_of_its_strips(monkeypatch):
    """Specks stand out alike however the image is cut into strips."""
    rng = np.random.default_rng(6)
    image = rng.normal(size=(900, 700)).astype(np.float32)
    centre = rng.uniform((120, 20), (780, 680), (60, 2))
    for place in centre[:20].astype(int):
        image[place[0] - 2 : place[0] + 3, place[1] - 2 : place[1] + 3] -= 2.5
    stars = Stars(centre, np.full((60, RAYS), 2.8), np.ones(60))
    monkeypatch.setattr(specks, "_STRIP_PX", 1000)
    whole = stands_out(image, stars, -1.0)
    np.testing.assert_array_equal(stands_out(-image, stars), whole)
    monkeypatch.setattr(specks, "_STRIP_PX", 101)
    np.testing.assert_array_equal(stands_out(image, stars, -1.0), whole)
    assert whole[:20].sum() > 15 > whole[20:].sum()


def test_maps_of_tiles_are_those_of_the_whole_image():
    """Foreground and boundary of an image in tiles are those of one pass over all of it."""
    finder = Finder(FinderConfig(widths=(4, 6, 8, 8), head=6), rngs=nnx.Rngs(3))
    seen = as_seen(np.random.default_rng(0).normal(size=(400, 688)).astype(np.float32))
    found, whole = read(SeenBefore(seen), reader_of(finder), 0.0), finder(seen[None])
    assert found.foreground.shape == (200, 344)
    edge = slice(MARGIN // STRIDE, -MARGIN // STRIDE)
    inner = edge, edge  # beyond it the image's mirrored end is seen
    for mine, right in (
        (found.foreground, whole.foreground[0] > 0),
        (found.boundary, whole.boundary[0] > 0),
    ):
        assert 0.0 < mine.mean() < 1.0
        assert (mine[inner] == np.asarray(right)[inner]).mean() > 0.9999


@pytest.mark.parametrize("shape", [(1, 30), (30, 30), (45, 200)])
@pytest.mark.parametrize("contrast", ["auto", "dark"])
def test_images_of_any_shape_are_read(shape, contrast):
    finder = Finder(FinderConfig(widths=(4, 6), head=4), rngs=nnx.Rngs(3))
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    stars, told, _ = found_stars(image, reader_of(finder), contrast, 0.9)
    assert told in ("bright", "dark")
    assert ((stars.centre >= -1) & (stars.centre <= np.array(shape))).all()


def hexagon(centre, radius):
    angle = np.arange(6) / 6 * 2 * np.pi + 0.3
    return np.array(centre) + radius * np.stack([np.sin(angle), np.cos(angle)], axis=1)


def test_targets_are_distances_along_the_rays():
    outline = hexagon((30.0, 41.0), 18.0)
    labels = np.array(
        [[inside_polygon(outline, y, x) for x in range(80)] for y in range(64)]
    ).astype(np.int32)
    asked = np.ones(1, bool)
    found = targets_of(labels, [outline], asked, ~asked)
    assert found.weight.min() == 1.0
    row, column = 14, 22
    point = np.array([STRIDE * row + 0.5, STRIDE * column + 0.5])
    for k, ray in enumerate(rays()):
        step = np.arange(0.0, 60.0, 0.005)
        walked = point + step[:, None] * ray
        first = next(
            s for s, (y, x) in zip(step, walked, strict=True) if not inside_polygon(outline, y, x)
        )
        assert float(found.distance[row, column, k]) == pytest.approx(first, abs=0.03)
    assert found.middle.max() == pytest.approx(1.0)
    assert (found.middle[labels[1::2, 1::2] == 0] == 0).all()
    doubtful = targets_of(labels, [outline], ~asked, asked)
    assert doubtful.weight[row, column] == 0.0


def test_small_particles_and_what_lies_beside_them_count_more():
    rows, columns = np.indices((64, 96))
    middles, radii = [(20, 20), (20, 70), (50, 30)], [4.0, 16.0, 4.0]
    labels = np.zeros((64, 96), np.int32)
    outlines = []
    for number, ((y, x), radius) in enumerate(zip(middles, radii, strict=True), 1):
        labels[np.hypot(rows - y, columns - x) < radius] = number
        outlines.append(np.array([y, x]) + radius * rays())
    asked = np.array([True, True, False])
    weight = targets_of(labels, outlines, asked, ~asked).weight
    assert weight[10, 10] == weight[10, 13] == 4.0  # in it and beside it
    assert weight[10, 35] == weight[10, 22] == weight[31, 31] == 1.0  # a large one; far from both
    assert weight[25, 15] == 0.0  # nothing is asked


@pytest.mark.parametrize("pose", range(8))
def test_turned_samples_have_the_rays_of_turned_particles(pose):
    recipe = FieldRecipe(
        kinds=("sparse",), rows=96, columns=96, diameter_px=(25, 25), empty=0.0, laboratory=0.0
    )
    sample = turned(drawn(recipe, 1, 0), pose)
    own = sample.targets
    row, column = np.unravel_index(np.argmax(own.middle.astype(float)), own.middle.shape)
    reach = own.distance[row, column].astype(float)
    rows, columns, inside = star_mask(
        np.array([row, column], float), reach / STRIDE, own.middle.shape
    )
    found = np.zeros(own.middle.shape, bool)
    found[rows, columns] = inside
    true = own.foreground > 0
    near = np.zeros_like(true)
    near[rows, columns] = True
    assert (found & true).sum() / ((found | true) & near).sum() > 0.85


def test_what_the_network_sees_does_not_change_with_gain_and_offset():
    image = np.random.default_rng(2).gamma(2.0, size=(90, 70)).astype(np.float32)
    np.testing.assert_allclose(as_seen(image), as_seen(3.0 * image + 40.0), atol=1e-3)


def test_own_images_with_boxes_and_with_labels(tmp_path):
    Image = pytest.importorskip("PIL.Image")
    rows, columns = np.indices((120, 150))
    grey = (200 - 120 * (np.hypot(rows - 40, columns - 60) < 15)).astype(np.uint8)
    for name in ("a", "b"):
        Image.fromarray(grey).save(tmp_path / f"{name}.png")
    box = [0, 60.5 / 150, 40.5 / 120, 30 / 150, 30 / 120]
    (tmp_path / "a.txt").write_text(" ".join(map(str, box)))
    np.save(tmp_path / "b_labels.npy", (grey < 100).astype(np.int32))
    a, b = read_folder(tmp_path)
    assert (a.name, b.name) == ("a", "b")
    for one in (a, b):
        assert one.image[40, 60] > one.image[0, 0]  # dark particles were made bright
        low, high = one.outlines[0].min(axis=0), one.outlines[0].max(axis=0)
        assert 0.5 * (low + high) == pytest.approx([40, 60], abs=0.6)
        assert high - low == pytest.approx([30, 30], abs=1.5)
        sample = sample_of(one, 64, np.random.default_rng(1))
        assert sample.seen.shape == (64, 64, 2)
        assert sample.targets.middle.max() > 0.9


def test_own_images_that_have_no_labels_are_refused(tmp_path):
    with pytest.raises(ValueError, match="there is no such folder"):
        read_folder(tmp_path / "none")
    np.save(tmp_path / "a.npy", np.ones((20, 20)))
    with pytest.raises(ValueError, match="no image has labels beside it"):
        read_folder(tmp_path)
    (tmp_path / "a.txt").write_text("0 0.5 0.5\n")
    with pytest.raises(ValueError, match="3 columns, expected class x y width height"):
        read_folder(tmp_path)


def test_settings_of_the_experiment():
    changed = FinderExperiment().changed(["steps=7", "learning_rate=1"])
    assert (changed.steps, changed.learning_rate) == (7, 1.0)
    with pytest.raises(ValueError, match="did you mean 'steps'"):
        FinderExperiment().changed(["step=7"])
    with pytest.raises(ValueError, match="expected a number"):
        FinderExperiment().changed(["steps=many"])
    with pytest.raises(
        ValueError, match="recipe field.*no setting 'brightnes_sigma'; did you mean"
    ):
        FinderExperiment().changed(["recipe.brightnes_sigma=[0, 1]"])
    bright = ["recipe.brightness_sigma=[0.2, 0.6]", "recipe.laboratory_ranges.jpeg=0"]
    changed = changed.changed(bright).changed(["recipe.contaminated=0.3"])
    fields = changed.recipe()
    assert (fields.brightness_sigma, fields.contaminated) == ((0.2, 0.6), 0.3)
    assert fields.laboratory_ranges.jpeg == 0.0
    assert fields.cover == FinderExperiment().recipe().cover
    assert FinderExperiment.from_description(json.loads(json.dumps(changed.described()))) == changed


def test_a_resumed_run_ends_with_the_same_weights(tmp_path, monkeypatch):
    from stemfast.pretrained.store import flat
    from stemfast.training.finder import run

    small = FinderExperiment(
        steps=4, batch_size=2, fresh=1, ring=3, field_px=64, test_fields=1, test_px=64,
        network=FinderConfig(widths=(4, 8), head=4),
    )  # fmt: skip
    said: list[str] = []
    whole = run.train_finder(small, tmp_path / "whole", say=said.append)
    assert any("step 4 of 4" in line for line in said)
    assert whole.card["test"]["fields"] == 1
    assert "AP50" in (tmp_path / "whole" / "model_card.md").read_text()
    with pytest.raises(ValueError, match="holds a run already"):
        run.train_finder(small, tmp_path / "whole")
    with pytest.raises(ValueError, match="holds no run"):
        run.train_finder(small, tmp_path / "none", resume=True)

    real = run.make_step

    def stopped_after_two(*arguments):
        step = real(*arguments)

        def once(state, batch):
            if int(state.step) == 2:
                raise KeyboardInterrupt
            return step(state, batch)

        return once

    monkeypatch.setattr(run, "make_step", stopped_after_two)
    with pytest.raises(KeyboardInterrupt):
        run.train_finder(small, tmp_path / "cut")
    monkeypatch.setattr(run, "make_step", real)
    resumed = run.train_finder(small, tmp_path / "cut", resume=True)
    first, second = flat(whole.model), flat(resumed.model)
    assert all(np.array_equal(first[name], second[name]) for name in first)

    on = replace(small, start_from=str(tmp_path / "cut"))
    graph, state = run.start(on)
    begun = flat(nnx.merge(graph, state.params))
    assert all(np.array_equal(begun[name], second[name]) for name in second)
    with pytest.raises(ValueError, match="of another architecture"):
        run.start(replace(small, start_from="finder"))
    with pytest.raises(ValueError, match="expected 'finder' or the folder of a trained finder"):
        run.train_finder(replace(small, start_from=str(tmp_path / "none")), tmp_path / "unmade")
    assert not (tmp_path / "unmade").exists()


def test_a_labelled_image_says_what_it_is():
    one = Labelled("x", np.zeros((4, 4), np.float32), ())
    assert repr(one) == "Labelled x: 0 particles"


def test_small_detections_beside_large_ones_need_more_score():
    """A quarter of the typical diameter is free; each octave below asks for 0.1 more."""
    radii = [40.0, 40.0, 40.0, 10.5, 5.0, 5.0, 2.5, 2.5]
    scores = [0.6, 0.7, 0.8, 0.56, 0.6, 0.7, 0.7, 0.8]
    stars = Stars(np.zeros((8, 2)), np.tile(np.array(radii)[:, None], (1, RAYS)), np.array(scores))
    assert of_a_size(stars, 0.55).tolist() == [True] * 4 + [False, True, False, True]
    assert of_a_size(stars.taken(np.arange(4, 8)), 0.55).all()
    assert of_a_size(stars.taken(np.zeros(0, np.int64)), 0.55).shape == (0,)


def test_a_few_pieces_of_support_do_not_hide_the_particles_on_them():
    """Thousands of sure particles outvote a few bodies that cover more; some specks do not."""
    radii = np.array([*[200.0] * 5, *[5.5] * 4000])
    stars = Stars(np.zeros((4005, 2)), np.tile(radii[:, None], (1, RAYS)), np.full(4005, 0.83))
    assert of_a_size(stars, 0.7).all()
    textured = of_a_size(stars.taken(np.arange(405)), 0.7)
    assert textured[:5].all()
    assert not textured[5:].any()
