"""The scan clock: when each pixel is scanned, where the beam is, how particles stand; frames."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.transform import Rotation, Slerp

import stemfast as sf
from stemfast import _core, reference
from stemfast.simulation.columns import Remembered
from stemfast.simulation.lay_out import lay_out
from stemfast.simulation.motion import Motion, PosePath, scan_columns, truth_of_scan

SOLIDS = {
    "truncated cuboid": sf.Cuboid((11, 9, 7), corners={7: sf.Truncation(0.3)}),
    "dented cuboid": sf.Cuboid((11, 9, 7), corners={5: sf.Displacement(nm=6.5)}),
    "ellipsoid": sf.Ellipsoid((6, 4, 2.5)),
}
SHAPE = (29, 37)
SHAKY = sf.Instability(
    drift_nm_s=(40.0, -25.0),
    drift_decay_s=0.02,
    mains_pm=(250.0, -400.0),
    mains_hz=60.0,
    mains_phase_rad=1.1,
    flyback_lag_nm=1.5,
    flyback_lag_us=30.0,
)


def scan(**changes):
    return sf.Scan(**{"shape": SHAPE, "pixel_size_nm": 0.5, "dwell_us": 6.0, **changes})


def path(one, *, motion=None, seed=0, first_index=0, image=0, n=1):
    motion = Motion() if motion is None else motion
    batch = lay_out([sf.Sphere(3)] * n, None, None, {}).repeated(motion.frames)
    pick = np.zeros(batch.n_images, np.int64)
    columns = scan_columns(batch, [one], pick, motion=motion, oversample=1, engine="exact")
    how = _core.Scanning(**columns)
    scenes = batch.scenes(batch.weight)
    key = {"seed": seed, "first_index": first_index, "frames": motion.frames}
    return truth_of_scan(scenes, how, image, one.shape, **key)


def test_the_clock_is_the_formula():
    one = scan(flyback_us=73.0)
    rows, columns = SHAPE
    for frame in range(3):
        time = path(one, motion=Motion(frames=3), image=frame)["time_s"]
        for i, j in ((0, 0), (0, 36), (17, 5), (28, 36)):
            expected = ((frame * rows + i) * (columns * 6.0 + 73.0) + j * 6.0) * 1e-6
            assert time[i, j] == pytest.approx(expected, rel=1e-14, abs=1e-18)
        np.testing.assert_allclose(time, reference.pixel_times(one, frame), rtol=1e-14, atol=1e-18)


@pytest.mark.parametrize(
    "instability",
    [
        sf.Instability(drift_nm_s=(3.0, -2.0)),
        sf.Instability(drift_nm_s=(3.0, -2.0), drift_decay_s=0.004),
        sf.Instability(mains_pm=(0.0, 80.0), mains_hz=50.0, mains_phase_rad=0.3),
        sf.Instability(flyback_lag_nm=2.0, flyback_lag_us=15.0),
        SHAKY,
    ],
)
@pytest.mark.parametrize("frame", [0, 2])
def test_the_beam_strays_by_the_formula(instability, frame):
    one = scan(instability=instability)
    beam = path(one, motion=Motion(frames=3), image=frame)["beam_nm"]
    x, y = reference.pixel_centres(one)
    shift_x, shift_y = reference.beam_shift(one, frame=frame)
    np.testing.assert_allclose(beam[..., 0], x + shift_x, atol=1e-11)
    np.testing.assert_allclose(beam[..., 1], y[:, None] + shift_y, atol=1e-11)


def jitter_of(one, **which):
    beam = path(one, **which)["beam_nm"]
    x, y = reference.pixel_centres(one)
    return np.stack([beam[:, 0, 0] - x[0], beam[:, 0, 1] - y], axis=1)


def test_row_jitter_is_normal_and_independent():
    one = scan(shape=(4000, 2), instability=sf.Instability(row_jitter_pm=70.0))
    beam = path(one)["beam_nm"]
    step = beam[:, 1] - beam[:, 0]  # the pixels of a row move together
    np.testing.assert_allclose(step, np.broadcast_to((0.5, 0.0), step.shape), atol=1e-9)
    jitter = jitter_of(one)
    # Kolmogorov-Smirnov, two-sided: false alarm 0.1 % for each axis.
    for axis in (0, 1):
        assert 5e-4 < stats.kstest(jitter[:, axis] / 0.07, "norm").pvalue < 1 - 5e-4
    frames = Motion(frames=2)
    others = [
        jitter[::-1],
        np.roll(jitter, 1, axis=0),
        jitter[:, ::-1],
        jitter_of(one, seed=1),
        jitter_of(one, first_index=1),
        jitter_of(one, motion=frames, image=1),
    ]
    for other in others:  # 5 sigma of a correlation: false alarm 6e-7 each
        assert abs(np.corrcoef(jitter.ravel(), other.ravel())[0, 1]) * np.sqrt(jitter.size) < 5
    assert (jitter_of(one, motion=frames, image=0) == jitter).all()
    assert (jitter_of(one, n=3, image=2) == jitter_of(one, first_index=2)).all()


@pytest.mark.parametrize("name", SOLIDS)
@pytest.mark.parametrize("oversample", [1, 2])
def test_chords_are_taken_where_the_beam_is(name, oversample):
    one, pose = scan(instability=SHAKY), Rotation.random(rng=2)
    where = {"oversample": oversample}
    image = sf.thickness(SOLIDS[name], pose, one, positions_nm=(1.0, -2.0, 0.5), **where)
    expected = reference.thickness(SOLIDS[name], pose, one, position_nm=(1.0, -2.0, 0.5), **where)
    np.testing.assert_allclose(image, expected, atol=1e-5 * expected.max())
    assert np.abs(image - sf.thickness(SOLIDS[name], pose, scan())).max() > 1.0


def test_quotients_are_rounded_as_a_division_rounds_them():
    """Random pairs, and those with digits next to a power of two, where rounding is hardest."""
    rng = np.random.default_rng(8)
    a, b = rng.choice([-1.0, 1.0], (2, 100_000)) * 2.0 ** rng.uniform(-40, 40, (2, 100_000))
    near = 1.0 + np.arange(-150, 150) * 2.0**-52
    a, b = np.append(a, np.repeat(near, 300)), np.append(b, np.tile(near, 300))
    assert (_core.quotients(a, b) == a / b).all()
    assert (_core.quotients(a, np.full_like(a, 6.0)) == a / 6.0).all()


@pytest.mark.parametrize("name", SOLIDS)
@pytest.mark.parametrize("instability", [sf.Instability(), SHAKY])
def test_every_pixel_may_have_its_own_pose(name, instability):
    one, pose, spin = scan(instability=instability), Rotation.random(rng=3), (80.0, -150.0, 220.0)
    image = sf.thickness(SOLIDS[name], pose, one, spin_rad_s=spin, pose_per="pixel")
    expected = reference.thickness(SOLIDS[name], pose, one, spin_rad_s=spin, pose_per="pixel")
    np.testing.assert_allclose(image, expected, atol=1e-5 * expected.max())
    by_row = sf.thickness(SOLIDS[name], pose, one, spin_rad_s=spin)
    expected = reference.thickness(SOLIDS[name], pose, one, spin_rad_s=spin)
    np.testing.assert_allclose(by_row, expected, atol=1e-5 * expected.max())
    assert np.abs(image - by_row).max() > 0.05


def test_jitter_moves_the_rows_of_a_thickness_map():
    one, pose = scan(instability=sf.Instability(row_jitter_pm=400)), Rotation.random(rng=5)
    image = sf.thickness(SOLIDS["ellipsoid"], pose, one, seed=4, first_index=9)
    jitter = jitter_of(one, seed=4, first_index=9)
    expected = reference.thickness(SOLIDS["ellipsoid"], pose, one, jitter_nm=jitter)
    np.testing.assert_allclose(image, expected, atol=1e-5 * expected.max())


def test_no_motion_is_the_static_image_bit_for_bit():
    pose = Rotation.random(4, rng=6)
    for solid in SOLIDS.values():
        still = sf.thickness(solid, pose, scan())
        for same in (
            {"spin_rad_s": (0, 0, 0), "pose_per": "pixel"},
            {"spin_rad_s": np.zeros((4, 3))},
        ):
            assert (sf.thickness(solid, pose, scan(), **same) == still).all()
        idle = scan(instability=sf.Instability(mains_hz=60, drift_decay_s=3.0))
        assert (sf.thickness(solid, pose, idle) == still).all()


def test_a_path_through_poses_is_slerp():
    one, times = scan(), np.array([0.001, 0.004, 0.0075])
    poses = Rotation.random(3, rng=7)
    for per in ("row", "pixel"):
        turn = path(one, motion=Motion(pose_path=PosePath(times, poses), pose_per=per))["turn"]
        when = np.clip(reference.pose_times(one, per), times[0], times[-1])
        expected = Slerp(times, poses)(when.ravel()).as_matrix()
        np.testing.assert_allclose(
            Rotation.from_quat(turn.reshape(-1, 4)).as_matrix(), expected, atol=1e-12
        )


def test_a_constant_spin_is_a_path():
    one, solid, pose = scan(), SOLIDS["truncated cuboid"], Rotation.random(rng=8)
    spin, rows = np.array([30.0, -20.0, 60.0]), reference.pose_times(scan(), "row")[:, 0]
    middle = reference.pixel_times(one).mean()
    stations = PosePath(rows, Rotation.from_rotvec(np.outer(rows - middle, spin)))
    image = sf.thickness(solid, pose, one, pose_path=stations)
    np.testing.assert_allclose(image, sf.thickness(solid, pose, one, spin_rad_s=spin), atol=1e-4)


def test_paths_may_differ_from_image_to_image():
    solid, pose = SOLIDS["dented cuboid"], Rotation.random(rng=9)
    paths = [PosePath([0.0, 0.01], Rotation.random(2, rng=k)) for k in range(3)]
    images = sf.thickness(solid, pose, scan(), pose_path=paths)
    for image, one in zip(images, paths, strict=True):
        assert (image == sf.thickness(solid, pose, scan(), pose_path=one)).all()


SCOPE = sf.Microscope(
    scan=scan(instability=SHAKY.replace(row_jitter_pm=50.0)), probe=sf.Probe(fwhm_nm=0.8)
)
MOTION = {"spin_rad_s": (20.0, 30.0, -10.0), "pose_per": "pixel"}


def test_frames_go_on_with_the_clock():
    solid, poses = SOLIDS["truncated cuboid"], Rotation.random(3, rng=1)
    frames = sf.simulate(solid, poses, SCOPE, seed=1, frames=4, **MOTION)
    assert frames.shape == (3, 4, *SHAPE)
    single = sf.simulate(solid, poses, SCOPE, seed=1, **MOTION)
    assert (frames[:, 0] == single).all()
    first = sf.simulate(solid, poses, SCOPE, seed=1, frames=1, **MOTION)
    assert (first[:, 0] == single).all()
    one = sf.simulate(solid, poses[2], SCOPE, seed=1, frames=4, first_index=2, **MOTION)
    assert (one == frames[2]).all()
    # The particle has turned on by the second frame.
    still = sf.simulate(solid, poses, SCOPE, seed=1, frames=4)
    assert np.abs(frames[:, 3].astype(float) - still[:, 3]).mean() > 1.0
    total = sf.simulate(solid, poses, SCOPE, seed=1, frames=4, sum_frames=True, **MOTION)
    assert total.dtype == np.uint32
    assert (total == frames.sum(axis=1)).all()


def test_frames_have_their_own_noise_and_the_same_mean():
    scope = sf.Microscope(scan=scan(), detector=sf.Detector(bits=None))
    frames = sf.simulate(sf.Sphere(9), None, scope, seed=2, frames=400)
    fraction = reference.detected_fraction(sf.Sphere(9), Rotation.identity(), scope)
    expected = scope.electrons_per_pixel * fraction
    score = (frames.mean(axis=0, dtype=np.float64) - expected) / np.sqrt(expected / 400)
    # The mean of squared standard normal scores is 1 ± 5·sqrt(2/pixels): false alarm 6e-7.
    assert abs((score**2).mean() - 1) < 5 * np.sqrt(2 / score.size)
    a, b = (frames[k] - expected for k in (0, 1))
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) * np.sqrt(a.size) < 5


def test_the_frames_of_a_series_show_one_film():
    rough = sf.Film(thickness_nm=30, roughness_nm=5, correlation_nm=3)
    scope = sf.Microscope(scan=scan(), beam=sf.Beam(current_pa=4000), film=rough)
    speck = sf.Sphere(1, material="C")
    frames = sf.simulate([speck] * 2, None, scope, seed=2, frames=20).astype(float)
    first, second = frames[0, :10].mean(axis=0), frames[0, 10:].mean(axis=0)
    other = frames[1].mean(axis=0)
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.9
    assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.5


def test_the_same_bits_whatever_the_batch_and_the_threads():
    solid, poses = SOLIDS["dented cuboid"], Rotation.random(5, rng=2)
    call = {**MOTION, "seed": 3, "frames": 3}
    whole = sf.simulate(solid, poses, SCOPE, n_threads=1, **call)
    for n in (2, 3, 8):
        assert (sf.simulate(solid, poses, SCOPE, n_threads=n, **call) == whole).all()
    for start, stop in ((0, 2), (2, 5)):
        part = sf.simulate(solid, poses[start:stop], SCOPE, first_index=start, **call)
        assert (part == whole[start:stop]).all()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"pose_per": "line"}, ValueError, "pose_per must be 'row' or 'pixel', got 'line'"),
        (
            {"pose_path": 3},
            TypeError,
            "pose_path must be a PosePath or a sequence of them, got int",
        ),
        ({"pose_path": []}, ValueError, "pose_path is empty"),
        ({"pose_path": [3]}, TypeError, r"pose_path\[0\] must be a PosePath, got int"),
        (
            {"pose_path": PosePath([0], Rotation.random(1)), "spin_rad_s": (1, 0, 0)},
            ValueError,
            "spin_rad_s and pose_path both turn the particles",
        ),
        (
            {"scan": scan(instability=SHAKY), "engine": "voxel"},
            ValueError,
            "engine='voxel' keeps the beam on its grid",
        ),
        (
            {"scan": scan(instability=sf.Instability(drift_nm_s=(0, 5000)))},
            ValueError,
            "moves the beam by .* nm along y in .* s, expected it to stay within the field of 14.5",
        ),
        (
            {"scan": scan(instability=sf.Instability(mains_pm=(20_000, 0)))},
            ValueError,
            "mains_pm moves the beam by 20 nm along x",
        ),
        (
            {"scan": scan(instability=sf.Instability(flyback_lag_nm=19))},
            ValueError,
            "flyback_lag_nm moves the beam by 19 nm along x",
        ),
        (
            {"scan": scan(instability=sf.Instability(row_jitter_pm=2000))},
            ValueError,
            "row_jitter_pm moves the beam by 16 nm along y",
        ),
    ],
)
def test_bad_motion_is_refused_with_the_reason(arguments, error, message):
    with pytest.raises(error, match=message):
        sf.thickness(**{"particles": sf.Sphere(4), "scan": scan(), **arguments})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"frames": 0}, ValueError, "frames must be from 1 to 65536, got 0"),
        ({"frames": 2.5}, TypeError, "frames must be a whole number, got 2.5"),
        ({"sum_frames": True}, ValueError, "sum_frames adds up frames, expected frames"),
        ({"first_index": 2**48}, ValueError, "first_index must be from 0 to 281474976710655"),
    ],
)
def test_bad_frames_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        sf.simulate(**{"particles": sf.Sphere(4), "seed": 1, **arguments})


@pytest.mark.parametrize(
    ("times", "rotations", "error", "message"),
    [
        (
            [0, 1],
            Rotation.random(3),
            ValueError,
            r"times_s has shape \(2,\), expected one time for",
        ),
        ([1, 0], Rotation.random(2), ValueError, "times_s must be finite and rise"),
        ([0, np.nan], Rotation.random(2), ValueError, "times_s must be finite and rise"),
        ("soon", Rotation.random(1), TypeError, "times_s must hold numbers"),
        ([0], [0, 0, 0, 1], TypeError, "rotations must be a scipy"),
    ],
)
def test_a_bad_path_is_named(times, rotations, error, message):
    with pytest.raises(error, match=message):
        PosePath(times, rotations)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"row_jitter_pm": -1}, "Instability.row_jitter_pm: expected a number of at least 0"),
        ({"drift_decay_s": 0}, "Instability.drift_decay_s: expected a number greater than 0"),
        ({"mains_hz": 0}, "Instability.mains_hz: expected a number greater than 0"),
        ({"drift": (1, 1)}, "Instability has no setting 'drift'"),
        ({"mains_pm": (1, np.inf)}, r"Instability.mains_pm\[1\]: expected a finite number"),
    ],
)
def test_bad_instability_is_named(setting, message):
    with pytest.raises(ValueError, match=message):
        sf.Instability(**setting)


def test_what_is_remembered_of_a_scan_is_forgotten_with_it():
    """A new scan may lie where one that is gone lay, and is not taken for it."""
    dwell = Remembered(lambda one: one.dwell_us)
    for expected in range(1, 30):
        one = sf.Scan(dwell_us=expected)
        assert dwell(one) == dwell(one) == expected
        del one
