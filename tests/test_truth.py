"""The truth that comes with images is the truth: against the references, and against the images."""

import json

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast import reference
from stemfast.particles.geometry.body import ConvexBody
from stemfast.reference import film_thickness

SHAPE = (29, 37)
SHAKY = sf.Instability(drift_nm_s=(40.0, -25.0), row_jitter_pm=200.0, mains_pm=(150.0, 90.0))
CUBOID = sf.Cuboid((9, 7, 6), corners={7: sf.Truncation(0.3)})
BALL = sf.Sphere(radius=4, material="Pt")
PAIR = sf.Specimen([CUBOID, BALL], [(-3, 0, 2), (4, 1, 0)], Rotation.random(2, rng=4))
TRIO = sf.Specimen([BALL, CUBOID, BALL], [(-5, -2, 0), (4, 2, 0), (0, 0, 3)])
CORE = sf.Cuboid((5, 4, 3))
POSES = Rotation.random(3, rng=2)


class CoreShell(sf.Cuboid):
    """A palladium core in a gold cuboid: the hole in the gold is a body with a weight of −1."""

    def bodies(self):
        (outer,), (inner,) = super().bodies(), CORE.bodies()
        hole = ConvexBody(inner.planes, inner.vertices, weight=-1.0)
        return outer, hole, ConvexBody(inner.planes, inner.vertices, material="Pd")


def scope(*, detector=None, film=None, **scan):
    return sf.Microscope(
        scan=sf.Scan(**{"shape": SHAPE, "pixel_size_nm": 0.5, "dwell_us": 6.0, **scan}),
        film=sf.Film() if film is None else film,
        detector=sf.Detector() if detector is None else detector,
    )


CASES = {
    "one": ((CUBOID,), {}),
    "series": ((CUBOID, POSES), {"positions_nm": [(0, 0, 0), (1, 2, 3), (-2, 0, 1)]}),
    "spins": ((CUBOID, POSES), {"spin_rad_s": (90.0, 0.0, 400.0)}),
    "specimens": (([PAIR, TRIO, BALL], POSES), {"spin_rad_s": (0.0, 0.0, 300.0)}),
    "frames": ((PAIR, POSES), {"frames": 2}),
    "one in frames": ((PAIR,), {"frames": 3, "pose_per": "pixel", "spin_rad_s": (9.0, 0.0, 40.0)}),
    "summed frames": ((PAIR, POSES), {"frames": 2, "sum_frames": True}),
    "voxels": ((PAIR, POSES), {"engine": "voxel"}),
    "oversampled": ((CUBOID, POSES), {"oversample": 2}),
}


def call(case, **more):
    (particles, *turn), options = CASES[case]
    instability = sf.Instability() if options.get("engine") == "voxel" else SHAKY
    seen = scope(instability=instability)
    arguments = {"seed": 3, "first_index": 7, **options, **more}
    return sf.simulate(particles, *turn, microscope=seen, **arguments)


@pytest.mark.parametrize("case", CASES)
def test_the_images_are_the_same_with_their_truth(case):
    taken = call(case, return_truth=True)
    images = call(case)
    assert isinstance(taken, sf.Simulation)
    assert taken.images.dtype == images.dtype
    np.testing.assert_array_equal(taken.images, images)
    np.testing.assert_array_equal(np.asarray(taken), images)


@pytest.mark.parametrize("case", CASES)
def test_maps_have_the_shape_of_the_images(case):
    taken = call(case, return_truth=True)
    truth, shape = taken.truth, taken.images.shape
    for values in (truth.expected_electrons, *truth.thickness_nm.values()):
        assert (values.shape, values.dtype) == (shape, np.float32)
        assert not values.flags.writeable
    options = CASES[case][1]
    path = (*shape[:-2], options["frames"], *SHAPE) if options.get("sum_frames") else shape
    assert truth.time_s.shape == path
    assert truth.beam_nm.shape == (*path, 2)
    assert truth.turn.shape == (*path, 4)


def test_out_holds_the_images():
    out = np.empty((3, *SHAPE), np.uint16)
    assert np.shares_memory(call("series", return_truth=True, out=out).images, out)


@pytest.mark.parametrize("case", ["one", "series", "spins", "specimens", "voxels", "oversampled"])
def test_thicknesses_of_materials_add_up(case):
    (particles, *turn), options = CASES[case]
    truth = call(case, return_truth=True).truth
    seen = truth.microscopes[0].scan
    every = sf.thickness(particles, *turn, scan=seen, seed=3, first_index=7, **options)
    names = {p.material for p in truth.particles}
    assert set(truth.thickness_nm) == names | {"film"}
    total = sum(truth.thickness_nm[name] for name in names)
    np.testing.assert_allclose(total, every, rtol=2e-6, atol=2e-6)
    assert min(truth.thickness_nm[name].max() for name in names) > 3


def test_each_material_is_its_own():
    truth = sf.simulate(PAIR, microscope=scope(), seed=1, return_truth=True).truth
    q = Rotation.from_quat(PAIR.quaternions)
    for k, name in enumerate(("Au", "Pt")):
        alone = sf.thickness(
            PAIR.particles[k], q[k], scope().scan, positions_nm=PAIR.positions_nm[k]
        )
        np.testing.assert_array_equal(truth.thickness_nm[name], alone)


def test_core_and_shell_are_told_apart():
    truth = sf.simulate(CoreShell((10, 9, 8)), POSES, scope(), seed=1, return_truth=True).truth
    assert set(truth.thickness_nm) == {"Au", "Pd", "film"}
    core = sf.thickness(CORE, POSES, scope().scan)
    whole = sf.thickness(sf.Cuboid((10, 9, 8)), POSES, scope().scan)
    np.testing.assert_array_equal(truth.thickness_nm["Pd"], core)
    np.testing.assert_allclose(truth.thickness_nm["Au"], whole - core, atol=3e-6)
    assert len(truth.particles) == len(truth.positions_nm) == len(truth.image_of_particle) == 3


def test_materials_of_one_name_are_told_apart():
    heavy = sf.Material("film", 19.3, "Au")
    light = sf.Material("film", 10.5, "Ag")
    two = sf.Specimen(
        [sf.Sphere(3, material=heavy), sf.Sphere(4, material=light)], [(-4, 0, 0), (4, 0, 0)]
    )
    maps = sf.simulate(two, microscope=scope(), seed=1, return_truth=True).truth.thickness_nm
    assert list(maps) == ["film (2)", "film (3)", "film"]
    assert [float(maps[name].max().round(1)) for name in maps] == [6.0, 8.0, 5.0]


def test_the_film_is_there_where_there_is_one():
    films = [sf.Film(thickness_nm=t, material=m) for t, m in ((12, "C"), (0, "C"), (30, "SiO2"))]
    seen = [scope(film=film) for film in films]
    truth = sf.simulate(CUBOID, POSES, seen, seed=1, return_truth=True).truth
    for i, film in enumerate(films):
        np.testing.assert_allclose(truth.thickness_nm["film"][i], film.thickness_nm, rtol=1e-6)
    assert set(truth[1].thickness_nm) == {"Au"}
    assert set(truth[2].thickness_nm) == {"Au", "film"}


@pytest.mark.parametrize("frames", [None, 2])
def test_a_rough_film_is_the_one_of_the_images(frames):
    film = sf.Film(
        thickness_nm=8, roughness_nm=1.5, correlation_nm=4, wedge_nm_per_um=50, hole_distance_nm=5
    )
    one = scope(film=film)
    truth = sf.simulate(
        CUBOID, POSES, one, seed=11, first_index=4, frames=frames, return_truth=True
    ).truth
    for i in range(3):
        expected = film_thickness(film, one.scan, seed=11, index=4 + i)
        got = truth.thickness_nm["film"][i]
        assert got.std() > 1
        for frame in got if frames else [got]:
            np.testing.assert_allclose(frame, expected, rtol=2e-5, atol=2e-4)
            np.testing.assert_array_equal(
                frame, truth[i].thickness_nm["film"].reshape(-1, *SHAPE)[0]
            )


@pytest.mark.parametrize("film", [sf.Film(), sf.Film(thickness_nm=9, roughness_nm=2)])
@pytest.mark.parametrize("probe", [0.0, 1.3])
@pytest.mark.parametrize("spin", [(0.0, 0.0, 0.0), (90.0, 0.0, 400.0)])
def test_expected_electrons_are_the_reference(film, probe, spin):
    drift = sf.Instability(drift_nm_s=(40.0, -25.0), mains_pm=(150.0, 90.0))
    # What follows the expected electrons must leave them alone.
    detector = sf.Detector(
        bits=8, gain=0.5, offset=7, read_noise=2, excess_noise_factor=1.5, decay_us=9
    )
    one = scope(instability=drift, detector=detector, film=film)
    one = one.replace(probe=sf.Probe(fwhm_nm=probe))
    truth = sf.simulate(CUBOID, POSES[0], one, spin_rad_s=spin, seed=1, return_truth=True).truth
    fraction = reference.detected_fraction(CUBOID, POSES[0], one, spin_rad_s=spin, seed=1)
    expected = fraction * one.electrons_per_pixel
    np.testing.assert_allclose(truth.expected_electrons, expected, rtol=1e-5)


def test_expected_electrons_are_the_mean_of_noisy_images():
    n = 4000
    one = scope(shape=(12, 12), dwell_us=2.0)
    poses = Rotation.concatenate([POSES[0]] * n)
    taken = sf.simulate(CUBOID, poses, one, seed=5, return_truth=True)
    mean = taken.truth[0].expected_electrons.astype(np.float64)
    np.testing.assert_array_equal(taken.truth[n - 1].expected_electrons, mean)
    z = (taken.images.mean(axis=0) - mean) / np.sqrt(mean / n)
    # 144 independent pixels, each N(0, 1): Σz² is χ². False alarms: 1e-4.
    low, high = stats.chi2(z.size).ppf([5e-5, 1 - 5e-5])
    assert low < np.sum(z**2) < high


def test_summed_frames_expect_the_sum_and_show_the_mean():
    summed, apart = call("summed frames", return_truth=True), call("frames", return_truth=True)
    np.testing.assert_allclose(
        summed.truth.expected_electrons, apart.truth.expected_electrons.sum(axis=1), rtol=1e-6
    )
    assert np.abs(np.diff(apart.truth.thickness_nm["Au"], axis=1)).max() > 0.1  # the beam drifts
    for name, thickness in summed.truth.thickness_nm.items():
        np.testing.assert_allclose(
            thickness, apart.truth.thickness_nm[name].mean(axis=1), rtol=1e-6, atol=1e-6
        )
    np.testing.assert_array_equal(summed.truth.beam_nm, apart.truth.beam_nm)


@pytest.mark.parametrize("pose_per", ["row", "pixel"])
def test_time_beam_and_turn_are_the_reference(pose_per):
    spin = np.array([90.0, 0.0, 400.0])
    one = scope(instability=sf.Instability(drift_nm_s=(40.0, -25.0), mains_pm=(150.0, 90.0)))
    taken = sf.simulate(
        PAIR,
        POSES,
        one,
        seed=1,
        spin_rad_s=spin,
        pose_per=pose_per,
        frames=2,
        return_truth=True,
    )
    truth = taken.truth
    x, y = reference.pixel_centres(one.scan)
    middle = reference.pixel_times(one.scan).mean()
    for frame in range(2):
        times = reference.pixel_times(one.scan, frame)
        np.testing.assert_allclose(truth.time_s[2, frame], times, rtol=1e-13, atol=1e-18)
        dx, dy = reference.beam_shift(one.scan, frame=frame)
        beam = np.stack([dx + x, dy + y[:, None]], axis=-1)
        np.testing.assert_allclose(truth.beam_nm[2, frame], beam, atol=1e-11)
        since = (reference.pose_times(one.scan, pose_per, frame) - middle)[..., None] * spin
        turned = Rotation.from_quat(truth.turn[2, frame].reshape(-1, 4))
        off = (turned * Rotation.from_rotvec(since.reshape(-1, 3)).inv()).magnitude()
        assert off.max() < 1e-9


def test_jitter_is_the_images_own():
    one = scope(instability=sf.Instability(row_jitter_pm=300.0))
    truth = sf.simulate(CUBOID, POSES, one, seed=1, first_index=5, return_truth=True).truth
    later = sf.simulate(CUBOID, POSES[0], one, seed=1, first_index=7, return_truth=True).truth
    np.testing.assert_array_equal(truth.beam_nm[2], later.beam_nm)
    assert not np.array_equal(truth.beam_nm[0], truth.beam_nm[1])


@pytest.mark.parametrize("frames", [None, 2])
def test_poses_rebuild_the_scene(frames):
    shift = [(0, 0, 0), (1, 2, 3), (-2, 0, 1)]
    truth = sf.simulate(
        [PAIR, TRIO, BALL],
        POSES,
        scope(),
        seed=1,
        positions_nm=shift,
        frames=frames,
        return_truth=True,
    ).truth
    assert truth.image_of_particle.tolist() == [0, 0, 1, 1, 1, 2]
    assert truth.particles == (*PAIR.particles, *TRIO.particles, BALL)
    clean = sum(t for name, t in truth.thickness_nm.items() if name != "film")
    for i in range(3):
        own = truth.image_of_particle == i
        again = sf.Specimen(
            [p for p, mine in zip(truth.particles, own, strict=True) if mine],
            truth.positions_nm[own],
            truth.orientations[own],
        )
        expected = sf.thickness(again, scan=scope().scan)
        got = clean[i] if frames is None else clean[i, 0]
        np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize("case", ["series", "specimens", "frames", "summed frames"])
def test_one_image_of_a_series_has_the_same_truth(case):
    paths = [
        sf.PosePath([0, 0.004 * (i + 1)], Rotation.random(2, rng=i))
        if i
        else sf.PosePath([0.001], Rotation.random(1, rng=9))
        for i in range(3)
    ]
    follow = {"pose_path": paths, "spin_rad_s": None}
    truth = call(case, return_truth=True, **follow).truth
    assert len(truth) == truth.n_images == 3
    for i, one in enumerate(truth):
        assert (one.first_index, one.seed, one.n_images) == (7 + i, 3, 1)
        assert one.frames == truth.frames
        np.testing.assert_array_equal(one.expected_electrons, truth.expected_electrons[i])
        for name, thickness in one.thickness_nm.items():
            np.testing.assert_array_equal(thickness, truth.thickness_nm[name][i])
        for name in ("time_s", "beam_nm", "turn"):
            np.testing.assert_array_equal(getattr(one, name), getattr(truth, name)[i])
        own = truth.image_of_particle == i
        np.testing.assert_array_equal(one.positions_nm, truth.positions_nm[own])
        np.testing.assert_array_equal(one.quaternions, truth.quaternions[own])
        assert one.microscopes == truth.microscopes[i : i + 1]
        assert len(one.particles) == own.sum()
        assert not one.image_of_particle.any()


def test_nothing_is_worked_out_before_it_is_asked_for(monkeypatch):
    from stemfast.simulation import acquisition

    taken = call("series", return_truth=True)

    class Busy:
        def __getattr__(self, name):
            raise AssertionError(f"the core was asked for {name}")

    monkeypatch.setattr(acquisition, "_core", Busy())
    assert repr(taken.truth) == "Truth of 3 images, seed 3, indices 7 to 9: Au, film"
    assert taken.truth.quaternions.shape == (3, 4)
    assert taken.image(1).metadata["first_index"] == 8
    with pytest.raises(AssertionError, match="asked for Scanning"):
        _ = taken.truth.expected_electrons


def test_the_truth_outlives_its_arguments():
    particles, positions = [CUBOID, BALL], np.array([(0.0, 0, 0), (1, 2, 3)])
    taken = sf.simulate(
        particles, microscope=scope(), positions_nm=positions, seed=1, return_truth=True
    )
    before = taken.truth[1].expected_electrons.copy()
    particles.clear()
    positions[:] = 50
    assert taken.truth.particles == (CUBOID, BALL)
    np.testing.assert_array_equal(taken.truth.expected_electrons[1], before)


def test_images_come_one_by_one():
    taken = call("frames", return_truth=True)
    assert len(taken) == len(list(taken)) == 6
    for image, pixels in zip(taken, taken.images.reshape(-1, *SHAPE), strict=True):
        np.testing.assert_array_equal(image, pixels)
    image = taken.image(2, 1)
    np.testing.assert_array_equal(image.pixels, taken.images[2, 1])
    assert (image.pixel_size_nm, image.unit, image.title) == (0.5, "e-", "image 9")
    assert image.metadata["microscopes"][0]["scan"]["dwell_us"] == 6.0
    assert json.loads(json.dumps(image.metadata)) == image.metadata
    assert len(call("summed frames", return_truth=True)) == 3
    grey = sf.simulate(
        CUBOID, microscope=scope(detector=sf.Detector(gain=2)), seed=1, return_truth=True
    )
    assert grey.image().unit == "grey levels"


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda t: t.image(3), IndexError, "image must be from 0 to 2, got 3"),
        (lambda t: t.image(-1), IndexError, "image must be from 0 to 2, got -1"),
        (lambda t: t.image(0, 1), IndexError, "frame must be from 0 to 0, got 1"),
        (lambda t: t.truth[3], IndexError, "image must be from 0 to 2, got 3"),
        (lambda t: t.truth["Au"], TypeError, "image must be a whole number, got 'Au'"),
        (lambda t: t.truth.save("a.npy"), ValueError, "a.npy must end in .npz"),
        (lambda t: t.truth.save("no/a.npz"), ValueError, "the folder no does not exist"),
        (lambda t: t.save("a.bmp"), ValueError, "a.bmp must end in .png, .tif"),
        (lambda t: t.save("a.png"), ValueError, r"a.png: a .png holds one image, got a stack of"),
    ],
)
def test_what_is_not_there_is_refused(ask, error, message):
    with pytest.raises(error, match=message):
        ask(call("series", return_truth=True))


def test_return_truth_is_yes_or_no():
    with pytest.raises(TypeError, match="return_truth must be True or False, got 'thickness'"):
        call("series", return_truth="thickness")


def test_a_stack_has_one_pixel_size():
    seen = [scope(pixel_size_nm=size) for size in (0.5, 0.4, 0.5)]
    taken = sf.simulate(CUBOID, POSES, seen, seed=1, return_truth=True)
    assert [image.pixel_size_nm for image in taken] == [0.5, 0.4, 0.5]
    with pytest.raises(ValueError, match=r"different pixel sizes \[nm\], 0.4 to 0.5, expected one"):
        _ = taken.images.pixel_size_nm
    assert "px of 0.4 to 0.5 nm" in repr(taken.images)
    assert [image.pixel_size_nm for image in taken.images] == [0.5, 0.4, 0.5]
    assert taken.images[::2].pixel_size_nm == 0.5


def test_memory_is_refused_before_it_is_taken(monkeypatch):
    from stemfast import arguments

    truth = call("series", return_truth=True).truth
    monkeypatch.setattr(arguments, "free_memory", lambda: 1000)
    monkeypatch.setattr(arguments, "_NOT_ASKED_FOR", 0)
    for name in ("thickness_nm", "expected_electrons", "time_s"):
        with pytest.raises(MemoryError, match="are free"):
            getattr(truth, name)


def test_truth_is_saved_whole(tmp_path):
    truth = call("frames", return_truth=True).truth
    with np.load(truth.save(tmp_path / "a.npz")) as file:
        for name in ("expected_electrons", "time_s", "beam_nm", "turn", "quaternions"):
            np.testing.assert_array_equal(file[name], getattr(truth, name))
        np.testing.assert_array_equal(file["thickness_nm_Pt"], truth.thickness_nm["Pt"])
        assert (int(file["seed"]), int(file["first_index"])) == (3, 7)
        assert json.loads(str(file["about"])) == truth.about()
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]


def test_the_core_refuses_expected_electrons_that_are_not_floats():
    taken = call("series", return_truth=True).truth._taken
    with pytest.raises(ValueError, match="expected electrons are float32"):
        taken.expected_electrons(np.empty((3, *SHAPE), np.uint16))
