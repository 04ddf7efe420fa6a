"""Sizes of found particles against the exact area of their projection."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast.finding import classical
from stemfast.finding.measured import measure
from stemfast.finding.population import joined, population

pytest.importorskip("skimage", reason="needs scikit-image, the extra [io]")

PIXEL_NM, PROBE_NM = 0.8, 1.2
SHAPES = {
    "cube": sf.Cuboid(edges=(20, 20, 20)),
    "cuboid": sf.Cuboid(edges=(24, 18, 15)),
    "tetrahedron": sf.Tetrahedron(edge=26),
    "sphere": sf.Sphere(radius=8),
    "octahedron": sf.Octahedron(edge=17),
    "truncated octahedron": sf.TruncatedOctahedron(edge=24),
    "icosahedron": sf.Icosahedron(edge=10),
    "hexagonal prism": sf.HexagonalPrism(edge=10, height=14),
}


def microscope(electrons_px: float = 1200.0) -> sf.Microscope:
    """The standard dose: of gold 16 nm thick, 175 of the electrons of a pixel are counted."""
    one = sf.Microscope(
        scan=sf.Scan(shape=(208, 208), pixel_size_nm=PIXEL_NM, dwell_us=4),
        probe=sf.Probe(fwhm_nm=PROBE_NM),
        film=sf.Film(thickness_nm=5),
    )
    more = electrons_px / one.electrons_per_pixel
    return one.replace(beam=one.beam.replace(current_pa=one.beam.current_pa * more))


def true_area_nm2(particle: sf.Particle, pose: Rotation) -> float:
    """Exact area of the projection: of the convex hull of the projected vertices."""
    if isinstance(particle, sf.Sphere):
        return math.pi * particle.radius**2
    return float(ConvexHull(pose.apply(np.array(particle.vertices))[:, :2]).volume)


def field_of(particle: sf.Particle, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An image of nine poses of one particle, true areas [nm²] and centres (row, column) [px]."""
    places = np.array([(x, y, 0.0) for y in (-52, 0, 52) for x in (-52, 0, 52)])
    places[:, :2] += np.random.default_rng(seed).uniform(-5, 5, (9, 2))
    poses = Rotation.random(9, rng=seed)
    scene = sf.Specimen(particles=[particle] * 9, positions_nm=places, orientations=poses)
    image = np.asarray(sf.simulate(scene, None, microscope(), seed=seed))
    areas = np.array([true_area_nm2(particle, pose) for pose in poses])
    return image, areas, 103.5 + places[:, 1::-1] / PIXEL_NM


@pytest.mark.parametrize("shape", SHAPES)
def test_areas_and_diameters_are_unbiased_at_standard_dose_and_blur(shape):
    """Of 27 poses; the mean of 27 such errors has a deviation of at most 0.4 %."""
    errors, off = [], []
    for seed in (1, 2, 3):
        image, areas, centres = field_of(SHAPES[shape], seed)
        found = sf.find(image, PIXEL_NM, "bright", "classical")
        assert len(found) == 9
        at = np.array([one.centroid for one in found])
        for area, centre in zip(areas, centres, strict=True):
            one = found[int(np.argmin(np.hypot(*(at - centre).T)))]
            measured = one.area * PIXEL_NM**2
            errors.append(measured / area - 1.0)
            off.append((measured - area) / (one.area_sd * PIXEL_NM**2))
    # No edge of an icosahedron is sharp enough to tell the probe's width from its form.
    most = 0.035 if shape == "icosahedron" else 0.02
    assert abs(np.mean(errors)) < most
    assert abs(np.mean(np.sqrt(1.0 + np.array(errors)) - 1.0)) < 0.5 * most
    # The error bar covers: three of four within two deviations even where one shape is awkward.
    assert np.mean(np.abs(off) < 2.0) > 0.75


def test_the_blur_is_read_off_the_edges():
    for seed in (1, 2):
        image, _, _ = field_of(SHAPES["cuboid"], seed)
        found = sf.find(image, PIXEL_NM, "bright", "classical")
        assert found.probe_fwhm_nm == pytest.approx(PROBE_NM, rel=0.12)


def test_dark_particles_are_as_large_as_bright_ones():
    image, _, _ = field_of(SHAPES["sphere"], 1)
    bright = sf.find(image, PIXEL_NM, "bright", "classical")
    dark = sf.find(image.max() - image.astype(np.float64), PIXEL_NM, "dark", "classical")
    assert [one.area for one in dark] == pytest.approx([one.area for one in bright], rel=1e-4)


def test_a_particle_that_the_border_cuts_ends_there():
    rows, cols = np.indices((80, 80))
    image = (10 + 90 * (np.hypot(rows - 40, cols + 2) < 14)).astype(np.float32)
    detection = classical.detect(image, "bright")
    (one,), _ = measure(image, detection, np.zeros(image.shape, bool), 0.5)
    assert one.on_border
    assert one.area == pytest.approx(np.count_nonzero(detection.labels), rel=0.1)
    assert one.outline[:, 0].min() > -1.5


def test_a_label_that_the_image_does_not_bear_out_keeps_its_area():
    """A label of half a particle: its edge is not to be seen, so it is the label that counts."""
    rows, cols = np.indices((80, 80))
    disc = np.hypot(rows - 40, cols - 40) < 20
    image = (10 + 90 * disc + np.random.default_rng(1).normal(0, 1, disc.shape)).astype(np.float32)
    labels = (disc & (np.hypot(rows - 40, cols - 40) < 9)).astype(np.int32)
    found = sf.find(image, labels=labels)
    assert not found[0].edges_fitted
    assert found[0].area == np.count_nonzero(labels)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_labels_of_any_form_are_measured(seed):
    """Rectangles of 1 to 11 px, cut into each other, on noise of few counts."""
    rng = np.random.default_rng(seed)
    image = rng.poisson(2.0, (90, 70)).astype(np.float32)
    labels = np.zeros(image.shape, np.int32)
    for number in range(1, 30):
        top, left, height, width = rng.integers((0, 0, 1, 1), (90, 70, 12, 12))
        labels[top : top + height, left : left + width] = number
    found = sf.find(image, labels=labels)
    assert len(found) == len(np.unique(labels)) - 1
    for one in found:
        assert one.area > 0
        assert 0 < one.circularity <= 1
        assert one.min_feret <= one.max_feret


def test_statistics_of_a_population():
    rng = np.random.default_rng(3)
    diameters = np.exp(rng.normal(math.log(10.0), 0.2, 20_000))
    found = population(diameters, np.zeros(20_000, bool), unit="nm")
    # Five deviations of the mean, and of the sd, of 20,000 numbers.
    assert found.lognormal_median == pytest.approx(10.0, abs=10.0 * 0.2 / 141 * 5)
    assert found.lognormal_sigma == pytest.approx(0.2, abs=0.2 / 200 * 5)
    assert found.mean_sd == pytest.approx(found.sd / math.sqrt(20_000))
    assert "± " in str(found)


def test_the_border_takes_large_particles_and_the_weights_give_them_back():
    """Discs of 5 and 30 px, equally many, in an image of 100 × 100 px."""
    rng = np.random.default_rng(4)
    n = 40_000
    diameters = np.where(rng.random(n) < 0.5, 5.0, 30.0)
    # Those that show at all have their centre within the image grown by the radius.
    span = 100.0 + diameters
    centres = (rng.random((n, 2)) - 0.5) * 130.0
    seen = np.all(np.abs(centres) < 0.5 * span[:, None], axis=1)
    cut = np.any(np.abs(centres) + 0.5 * diameters[:, None] > 50.0, axis=1)
    found = population(diameters[seen], cut[seen], field_size=(100.0, 100.0))
    assert found.left_out == np.count_nonzero(seen & cut)
    assert found.mean < 15.0
    # Five deviations of the mean of some 20,000 numbers of 12.5 around it.
    assert found.mended_mean == pytest.approx(17.5, abs=0.5)


def test_populations_of_images_join_by_unit():
    one = population([9.0, 11.0], [False, False], unit="nm")
    other = population([30.0, 40.0], [False, True], unit="px")
    both = joined([one, one, other])
    assert {unit: found.count for unit, found in both.items()} == {"nm": 4, "px": 1}
    assert both["px"].left_out == 1
    assert "no whole particle" in str(population([], []))
