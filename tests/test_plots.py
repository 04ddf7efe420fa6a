"""Pictures: what they hold can be measured, whether they look right is for the eye."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from PIL import Image

from stemfast import gallery as scenes
from stemfast import plots
from stemfast.image.scale_bar import round_length, scale_bar
from stemfast.microscope import Microscope, Scan


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("L"), dtype=float)


def frames_of(path):
    with Image.open(path) as picture:
        stack = []
        for index in range(picture.n_frames):
            picture.seek(index)
            stack.append(np.asarray(picture.convert("L")))
        return np.stack(stack), picture.info


@pytest.mark.parametrize("ending", [".png", ".pdf", ".svg"])
def test_gallery_writes_what_the_ending_says(tmp_path, ending):
    path = plots.gallery([np.eye(8)], ["one"], tmp_path / f"one{ending}")
    start = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}[ending]
    assert path.read_bytes().startswith(start)
    assert [p.name for p in tmp_path.iterdir()] == [f"one{ending}"]


def test_gallery_shows_every_image(tmp_path):
    dark, bright = np.zeros((16, 16)), np.eye(16)
    few = plots.gallery([bright] * 2, ["a", "b"], tmp_path / "2.png", columns=3)
    many = plots.gallery([bright] * 7, list("abcdefg"), tmp_path / "7.png", columns=2)
    assert pixels(many).shape[0] > 3 * pixels(few).shape[0]
    plots.gallery([dark], ["flat"], tmp_path / "flat.png")


@pytest.mark.parametrize(
    ("length", "rounded"),
    [(1.0, 1.0), (1.99, 1.0), (2.0, 2.0), (4.9, 2.0), (5.0, 5.0), (12.5, 10.0), (0.07, 0.05)],
)
def test_scale_bars_have_round_lengths(length, rounded):
    assert round_length(length) == pytest.approx(rounded)


def test_the_scale_bar_is_as_long_as_it_says():
    from matplotlib.figure import Figure

    axes = Figure().add_subplot()
    scale_bar(axes, (100, 200), pixel_size_nm=0.35)
    (bar,), (label,) = axes.patches, axes.texts
    assert label.get_text() == "10 nm"
    assert bar.get_width() * 0.35 == pytest.approx(10)


def test_confusion_matrix_is_drawn(tmp_path):
    strong = plots.confusion_matrix([[50, 0], [0, 50]], ["a", "b"], tmp_path / "s.png", title="x")
    weak = plots.confusion_matrix([[0, 50], [50, 0]], ["a", "b"], tmp_path / "w.png", title="x")
    assert pixels(strong).shape == pixels(weak).shape
    assert not np.array_equal(pixels(strong), pixels(weak))


def test_an_empty_class_is_drawn_too(tmp_path):
    assert plots.confusion_matrix([[3, 1], [0, 0]], ["a", "b"], tmp_path / "e.png").exists()


def test_animation_keeps_frames_sizes_and_order(tmp_path):
    ramp = np.arange(6.0)[None, :, None, None] * np.ones((2, 1, 20, 30))
    path = plots.animation(tmp_path / "r.gif", ramp, titles=["a", "b"], frames_per_second=10)
    frames, info = frames_of(path)
    assert frames.shape == (6, 20 + 14, 2 * 30 + 4)
    assert info["duration"] == 100
    assert info["loop"] == 0
    np.testing.assert_allclose(frames[:, 20, 10], np.round(np.arange(6) * 51), atol=1)


def test_rotation_gif_turns_the_deformed_corner(tmp_path):
    path = plots.rotation_gif(tmp_path / "r.gif", frames=8)
    frames, _ = frames_of(path)
    assert frames.shape == (8, 100 + 14, 3 * 100 + 2 * 4)
    panels = frames[:, 14:].astype(float)
    # About the beam a quarter turn of the particle is one of the picture, clockwise as x is to
    # the right and y down; the other sense would put the thin corner elsewhere.
    about_z = panels[:, :, :100]
    right, wrong = (np.abs(about_z[2] - np.rot90(about_z[0], sense)) for sense in (-1, 1))
    assert wrong.mean() > 1.3 * right.mean()
    # About x and y, half a turn brings the outline back, an eighth does not.
    for left in (104, 208):
        panel = panels[:, :, left : left + 100]
        start, half, eighth = (image > 0.4 * image.max() for image in panel[[0, 4, 1]])
        assert np.mean(start != half) < 0.005
        assert np.mean(start != eighth) > 0.02


def test_rotation_gif_takes_another_microscope(tmp_path):
    microscope = Microscope(scan=Scan(shape=(40, 50), pixel_size_nm=1.0))
    path = plots.rotation_gif(tmp_path / "r.gif", axis="x", frames=2, microscope=microscope)
    assert frames_of(path)[0].shape == (2, 54, 50)


def test_gallery_draws_outlines_over_their_image_alone(tmp_path):
    from PIL import Image

    square = np.array([[2.0, 2], [2, 12], [12, 12], [12, 2]])
    path = plots.gallery(
        [np.eye(16)] * 2, ["a", "b"], tmp_path / "o.png", outlines=[[], [square]], columns=2
    )
    red, _, blue = np.asarray(Image.open(path).convert("RGB"), int).transpose(2, 0, 1)
    coloured = np.abs(red - blue) > 60
    half = coloured.shape[1] // 2
    assert not coloured[:, :half].any()
    assert coloured[:, half:].sum() > 200


def test_the_gallery_has_a_field_of_every_kind(tmp_path):
    from stemfast.fields import KINDS
    from stemfast.gallery.fields import field_scenes, field_sheet

    fields = field_scenes(1)
    assert tuple(field.kind for field in fields) == KINDS
    assert len({field.bright_field for field in fields}) == 2
    assert all(field.truth.visible.any() for field in fields)
    assert field_sheet(tmp_path / "f.png", seed=1).read_bytes()[:4] == b"\x89PNG"


def block_sums(image):
    return image.astype(float).reshape(16, 8, 16, 8).sum(axis=(1, 3))


def test_gallery_scenes_are_all_different():
    # Two exposures of one scene differ in some block of 8 x 8 px by more than 6 standard
    # deviations of their counts once in 2e6 tries (256 blocks, two-sided).
    for images, titles in (
        scenes.shape_scenes(0),
        scenes.corner_scenes(0),
        scenes.spin_scenes(0),
    ):
        assert len(images) == len(titles) == len(set(titles))
        for (a, name), (b, other) in itertools.combinations(zip(images, titles, strict=True), 2):
            first, second = block_sums(a), block_sums(b)
            worst = np.max(np.abs(first - second) / np.sqrt(first + second + 1.0))
            assert worst > 6, (name, other)


def test_a_cut_corner_of_the_gallery_shows_in_its_outline():
    """Of 2 x 2 px with signal in the whole cuboid, many are dark where the corner is cut."""
    images, titles = scenes.corner_scenes(0)
    outlines = [im.astype(float).reshape(64, 2, 64, 2).sum(axis=(1, 3)) for im in images]
    signal = 0.2 * outlines[0].max()
    for name in ("truncated, 50 %", "cut unequally", "a {111} cut, 5 nm"):
        cut = outlines[titles.index(name)]
        lost = np.count_nonzero((outlines[0] > signal) & (cut < signal / 2))
        assert lost >= 12, (name, lost)


FLAT = np.zeros((4, 4))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: plots.gallery([], [], p), "images must hold at least one image"),
        (
            lambda p: plots.gallery([FLAT], ["a", "b"], p),
            r"titles must be one per image \(1\), got 2",
        ),
        (lambda p: plots.gallery([FLAT[0]], ["a"], p), r"images\[0\] must be two-dimensional"),
        (lambda p: plots.gallery([FLAT + np.nan], ["a"], p), r"images\[0\] must be finite"),
        (
            lambda p: plots.gallery([FLAT], ["a"], p, pixel_size_nm=0),
            "pixel_size_nm must be positive",
        ),
        (lambda p: plots.gallery([FLAT], ["a"], p, columns=0), "columns must be at least 1, got 0"),
        (
            lambda p: plots.gallery([FLAT], ["a"], p, pixel_size_nm=[1.0, 2.0]),
            r"pixel_size_nm must be one or one per image \(1\), got 2",
        ),
        (
            lambda p: plots.gallery([FLAT], ["a"], p, outlines=[]),
            r"outlines must be one list per image \(1\), got 0",
        ),
        (lambda p: plots.confusion_matrix([[1, 2]], ["a"], p), "matrix must be square"),
        (
            lambda p: plots.confusion_matrix([[1]], ["a", "b"], p),
            "class_names must be 1 names, got 2",
        ),
        (lambda p: plots.confusion_matrix([[0.5]], ["a"], p), "matrix must hold counts"),
        (lambda p: plots.confusion_matrix([[-1]], ["a"], p), "matrix must hold counts"),
        (lambda p: plots.animation(p, FLAT), r"frames must be \(panels, frames, H, W\)"),
        (lambda p: plots.animation(p, FLAT[None, None] + np.inf), "frames must be finite"),
        (
            lambda p: plots.animation(p, FLAT[None, None], titles=["a", "b"]),
            "titles must be one per",
        ),
        (
            lambda p: plots.animation(p, FLAT[None, None], frames_per_second=0),
            "must be positive, got 0",
        ),
        (lambda p: plots.rotation_gif(p, axis="w"), "axis must be letters out of 'xyz'"),
        (lambda p: plots.rotation_gif(p, axis=""), "axis must be letters out of 'xyz'"),
        (lambda p: plots.rotation_gif(p, frames=1), "frames must be at least 2, got 1"),
    ],
)
def test_bad_input(tmp_path, call, message):
    with pytest.raises(ValueError, match=message):
        call(tmp_path / "picture.gif")
    assert list(tmp_path.iterdir()) == []
