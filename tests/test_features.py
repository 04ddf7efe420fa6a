"""Features against what the simulator knows to be true; thresholds have room, seeds are fixed."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast import describing, units
from stemfast.describing import accuracy

N = 16
SCAN = sf.Scan(shape=(128, 128), pixel_size_nm=0.35)
POSE = Rotation.from_euler("xy", [35, 30], degrees=True)
CUBE = sf.Cuboid(edges=(18, 18, 18))


def microscope(dose, fwhm_nm=0.5):
    return sf.Microscope(
        scan=SCAN,
        beam=sf.Beam(current_pa=units.current_pa(dose, SCAN.dwell_us)),
        film=sf.Film(thickness_nm=5.0, roughness_nm=0.5),
        probe=sf.Probe(fwhm_nm=fwhm_nm),
    )


def described(particle, poses, scope, **options):
    images = sf.simulate(particle, poses, scope, seed=7, **options)
    if options.get("return_truth"):
        images = images.truth.expected_electrons
    calibration = describing.Calibration.of(scope, "Au")
    return [
        describing.describe(
            image, SCAN.pixel_size_nm, calibration=calibration, probe_fwhm_nm=scope.probe.fwhm_nm
        )
        for image in images
    ]


def scored(particle, dose):
    poses = sf.orientation.random(N, seed=11)
    seen = described(particle, poses, microscope(dose))
    compared = [
        accuracy.compare(one, particle, pose) for one, pose in zip(seen, poses, strict=True)
    ]
    return accuracy.score(compared)


@pytest.mark.parametrize(
    ("particle", "dose", "vertex_px", "recall", "precision"),
    [
        (sf.Cuboid(edges=(20, 18, 15)), 500, 0.5, 0.6, 0.5),
        (sf.Cuboid(edges=(20, 18, 15)), 20_000, 0.2, 0.75, 0.75),
        (sf.Tetrahedron(edge=26), 2_000, 0.3, 0.9, 0.65),
    ],
    ids=["cuboid-500", "cuboid-20000", "tetrahedron-2000"],
)
def test_corners_areas_and_volumes_are_the_true_ones(particle, dose, vertex_px, recall, precision):
    found = scored(particle, dose)
    assert found.vertex_median_px < vertex_px
    assert found.vertices_right >= 0.7
    assert abs(found.area[0]) < 0.015
    assert found.area[1] < 0.03
    assert abs(found.max_feret[0]) < 0.02
    assert abs(found.volume[0]) < 0.004
    assert found.volume[1] < 0.008
    assert found.recall >= recall
    assert found.precision >= precision


def test_volume_without_film_noise_or_blur_is_exact():
    scope = sf.Microscope(scan=SCAN, film=sf.Film(thickness_nm=0.0), probe=sf.Probe(fwhm_nm=0.0))
    poses = sf.orientation.random(4, seed=3)
    seen = described(CUBE, poses, scope, return_truth=True)
    summed = sf.thickness(CUBE, poses, SCAN).sum(axis=(1, 2)) * SCAN.pixel_size_nm**2
    for one, truth in zip(seen, summed, strict=True):
        assert one.volume_nm3 == pytest.approx(truth, rel=5e-5)


def test_volume_on_a_thick_film_with_gain_and_offset():
    scope = sf.Microscope(
        scan=SCAN,
        film=sf.Film(thickness_nm=30.0),
        detector=sf.Detector(gain=3.0, offset=40.0, read_noise=1.0),
    )
    [one] = described(CUBE, Rotation.concatenate([POSE]), scope)
    assert one.volume_nm3 == pytest.approx(CUBE.volume, rel=0.01)


def test_a_sphere_is_round_and_has_no_corners():
    poses = Rotation.identity(4)
    for one in described(sf.Sphere(radius=9), poses, microscope(500)):
        assert one.is_round
        assert one.n_vertices == len(one.interior_nm) == len(one.creases_nm) == 0
        assert one.area_nm2 == pytest.approx(np.pi * 81, rel=0.02)
        assert one.min_feret_nm == pytest.approx(18, rel=0.02)
        assert one.brightness["brightness_concentration"] == pytest.approx(0.8, abs=0.03)


def test_places_are_counted_from_the_centre_of_the_image():
    scope = microscope(2000)
    image = sf.simulate(CUBE, POSE, scope, seed=1, positions_nm=(4.0, -3.0, 0.0))
    one = describing.describe(image, SCAN.pixel_size_nm, probe_fwhm_nm=0.5)
    assert one.centroid_nm == pytest.approx((4.0, -3.0), abs=0.1)
    seen = accuracy.compare(one, CUBE, POSE, (4.0, -3.0, 0.0))
    assert seen.n_found == 6
    assert np.all(seen.vertex_px < 1.5)


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_a_turned_image_has_the_same_features(turn):
    image = np.asarray(sf.simulate(CUBE, POSE, microscope(2000), seed=1))
    first = describing.describe(image, 0.35)
    other = describing.describe(np.rot90(image, turn), 0.35)
    assert other.n_vertices == first.n_vertices
    assert other.area_nm2 == pytest.approx(first.area_nm2, rel=0.01)
    assert other.max_feret_nm == pytest.approx(first.max_feret_nm, rel=0.01)


def test_crossing_edges_are_no_corner_and_the_distances_are_those_of_the_cube():
    # Seen along a diagonal of a face, a tetrahedron shows two edges that cross and no inner corner.
    tetrahedron = sf.Tetrahedron(edge=26)
    a, b, c, d = tetrahedron.vertices
    across, along = b - a, d - c
    view = np.cross(across, along)
    pose = (
        Rotation.align_vectors(
            [[0, 0, 1], [1, 0, 0]], [view / np.linalg.norm(view), across / np.linalg.norm(across)]
        )[0]
        * Rotation.identity()
    )
    tilted = Rotation.from_euler("xy", [8, 5], degrees=True) * pose
    image = sf.simulate(tetrahedron, tilted, microscope(20_000), seed=1)
    one = describing.describe(image, 0.35, probe_fwhm_nm=0.5)
    assert one.n_vertices == 4
    assert len(one.creases_nm) >= 2
    assert len(one.interior_nm) == 0
    truth = tilted.apply(tetrahedron.vertices)[:, :2]
    longest = max(float(np.hypot(*(p - q))) for p in truth for q in truth)
    assert one.distances_nm.max() == pytest.approx(longest, rel=0.01)


def test_without_calibration_there_is_no_volume_and_it_says_so():
    one = describing.describe(sf.simulate(CUBE, POSE, microscope(500), seed=1), 0.35)
    assert one.volume_nm3 is None
    assert "not calibrated" in one.volume_note
    assert one.row()["volume_nm3"] is None


def test_a_calibration_of_another_image_is_refused():
    curve = sf.Microscope().scattering_curve("Au")
    wrong = describing.Calibration(curve=curve, electrons_px=20.0)
    with pytest.raises(describing.FeatureError, match="scattered fraction"):
        describing.describe(
            sf.simulate(CUBE, POSE, microscope(500), seed=1), 0.35, calibration=wrong
        )


def test_of_several_particles_the_largest_is_described_and_flagged():
    pair = sf.Specimen(
        particles=[sf.Sphere(radius=4), sf.Sphere(radius=8)],
        positions_nm=[[-14, -14, 0], [8, 6, 0]],
    )
    one = describing.describe(sf.simulate(pair, None, microscope(500), seed=1), 0.35)
    assert "several particles" in one.flags
    assert one.centroid_nm == pytest.approx((8, 6), abs=0.3)
    assert one.equivalent_diameter_nm == pytest.approx(16, rel=0.03)


def test_a_particle_at_the_border_and_a_saturated_one_are_flagged():
    cut = sf.simulate(CUBE, POSE, microscope(500), seed=1, positions_nm=(18.0, 0.0, 0.0))
    assert "touches the border" in describing.describe(cut, 0.35).flags
    bright = np.minimum(np.asarray(sf.simulate(CUBE, POSE, microscope(2000), seed=1)), 255)
    assert "saturated" in describing.describe(bright.astype(np.uint8), 0.35).flags


def blank(rng):
    return rng.poisson(20.0, (96, 96))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: np.zeros((64, 64)), "every pixel"),
        (blank, "no particle found"),
        (lambda _: np.full((64, 64), np.nan), "NaN"),
        (lambda _: np.eye(8), "at least 16 px"),
        (lambda _: np.zeros((3, 64, 64)), "shape"),
        (lambda _: np.eye(32, dtype=complex), "dtype"),
    ],
    ids=["zero", "film", "nan", "small", "stack", "complex"],
)
def test_what_is_no_image_of_a_particle_is_refused(make, message):
    with pytest.raises(describing.FeatureError, match=message):
        describing.describe(make(np.random.default_rng(4)), 0.35)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"pixel_size_nm": 0.0}, ValueError),
        ({"pixel_size_nm": "a"}, TypeError),
        ({"pixel_size_nm": 0.35, "probe_fwhm_nm": -1.0}, ValueError),
        ({"pixel_size_nm": 0.35, "probe_fwhm_nm": np.nan}, ValueError),
    ],
)
def test_numbers_out_of_range_are_refused(options, error):
    with pytest.raises(error):
        describing.describe(np.eye(32), **options)


def test_many_images_give_a_table_in_which_the_bad_ones_say_why():
    scope = microscope(500)
    poses = sf.orientation.random(3, seed=2)
    images = [*np.asarray(sf.simulate(CUBE, poses, scope, seed=1)), np.zeros((128, 128))]
    calibrations = [describing.Calibration.of(scope, "Au")] * 4
    table = describing.describe_many(images, 0.35, calibration=calibrations, probe_fwhm_nm=0.5)
    assert table["found"].tolist() == [True, True, True, False]
    assert "every pixel" in table["flags"][3]
    one = describing.describe(images[1], 0.35, calibration=calibrations[1], probe_fwhm_nm=0.5).row()
    for name, value in one.items():
        if name != "flags":
            expected = np.nan if value is None else float(value)
            np.testing.assert_equal(table[name][1], expected, err_msg=name)
            assert np.isnan(table[name][3]), name
    with pytest.raises(ValueError, match="calibration has 2 values"):
        describing.describe_many(images, 0.35, calibration=calibrations[:2])


def test_the_outline_of_a_concave_particle_is_concave():
    rows, cols = np.indices((96, 96))
    shape = ((np.abs(rows - 48) < 24) & (np.abs(cols - 48) < 24)) & ~((rows < 48) & (cols < 48))
    image = np.random.default_rng(1).poisson(10 + 200.0 * shape)
    one = describing.describe(image, 0.5, probe_fwhm_nm=0.3)
    assert one.n_vertices == 6
    assert one.convexity == pytest.approx(shape.sum() / (shape.sum() + 24 * 24 / 2), abs=0.02)


@pytest.mark.parametrize("blur_px", [0.8, 1.6])
def test_noise_that_is_not_white_has_no_edges(blur_px):
    """Smoothed noise bends far more than its white part, which is small, would."""
    cuboid, pose = sf.Cuboid(edges=(22, 20, 17)), Rotation.from_rotvec([0.5, 0.4, 0.3])
    for seed in range(3):
        image = sf.simulate(cuboid, pose, microscope(400), seed=seed)
        one = describing.describe(gaussian_filter(np.float64(image), blur_px), SCAN.pixel_size_nm)
        assert 1 <= len(one.interior_nm) <= 4  # two in truth, eight and more taken for some
        assert len(one.creases_nm) <= 9  # six, and two dozen
