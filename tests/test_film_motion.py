"""The film is seen where the beam stands: under drift, jitter, ripple and lag, and in frames."""

import hashlib

import numpy as np
import pytest

import stemfast as sf
from instruction_sets import digests_of
from stemfast import reference
from stemfast.reference import film_thickness

SPECK = sf.Sphere(0.01, material="C")
SHAPE, PIXEL_NM = (40, 53), 0.45
SHAKY = sf.Instability(
    drift_nm_s=(60.0, -35.0),
    drift_decay_s=0.02,
    mains_pm=(250.0, -400.0),
    mains_hz=60.0,
    mains_phase_rad=1.1,
    flyback_lag_nm=1.5,
    flyback_lag_us=30.0,
)
FILMS = {
    "rough": sf.Film(thickness_nm=20, roughness_nm=2, correlation_nm=3),
    "rough wedge": sf.Film(
        thickness_nm=20, roughness_nm=1, wedge_nm_per_um=200, wedge_direction_deg=30
    ),
    "wedge": sf.Film(thickness_nm=20, wedge_nm_per_um=-300, wedge_direction_deg=70),
    "hole": sf.Film(thickness_nm=20, hole_distance_nm=3, hole_radius_nm=9, hole_direction_deg=50),
    "rough hole": sf.Film(
        thickness_nm=20, roughness_nm=2, hole_distance_nm=2, hole_taper_nm=3, hole_direction_deg=200
    ),
}


def scope(film, instability, **scan):
    area = sf.Scan(
        **{"shape": SHAPE, "pixel_size_nm": PIXEL_NM, "instability": instability, **scan}
    )
    return sf.Microscope(scan=area, film=film, beam=sf.Beam(current_pa=2000))


def seen(film, instability, *, seed=7, first_index=3, **how):
    """The film's thickness and where the beam stands [nm]."""
    given = {"seed": seed, "first_index": first_index, **how, "return_truth": True}
    truth = sf.simulate(SPECK, None, scope(film, instability), **given).truth
    return truth.thickness_nm["film"], truth.beam_nm


@pytest.mark.parametrize("name", FILMS)
def test_equals_the_reference(name):
    film, area = FILMS[name], scope(FILMS[name], SHAKY).scan
    frames, _ = seen(film, SHAKY, frames=3)
    for frame, ours in enumerate(frames):
        expected = film_thickness(film, area, seed=7, index=3, frame=frame)
        np.testing.assert_allclose(ours, expected, atol=2e-5)
    still, _ = seen(film, sf.Instability())
    assert np.abs(frames[0] - still).max() > 0.05  # the motion is one that can be seen


def test_every_row_jitters_by_itself():
    film, shaky = FILMS["rough"], sf.Instability(row_jitter_pm=600)
    ours, beam = seen(film, shaky)
    area = scope(film, shaky).scan
    x, y = reference.pixel_centres(area)
    jitter = np.stack([beam[:, 0, 0] - x[0], beam[:, 0, 1] - y], axis=1)
    expected = film_thickness(film, area, seed=7, index=3, jitter_nm=jitter)
    np.testing.assert_allclose(ours, expected, atol=2e-5)


@pytest.mark.parametrize("name", FILMS)
def test_no_motion_is_the_static_film_bit_for_bit(name):
    still = scope(FILMS[name], sf.Instability())
    idle = scope(FILMS[name], sf.Instability(mains_hz=60, drift_decay_s=3.0))
    one, other = (
        sf.simulate(SPECK, None, s, seed=1, return_truth=True).truth.expected_electrons
        for s in (still, idle)
    )
    assert (one == other).all()
    # The way for a beam that strays, taken with next to no straying, ends in the same place.
    moved, _ = seen(FILMS[name], sf.Instability(drift_nm_s=(1e-9, 0)))
    np.testing.assert_allclose(moved, seen(FILMS[name], sf.Instability())[0], atol=2e-5)


def test_frames_show_one_film_moved_by_the_drift():
    area = scope(FILMS["rough hole"], sf.Instability()).scan
    frame_s = area.shape[0] * area.row_us * 1e-6
    drift = sf.Instability(drift_nm_s=(2 * PIXEL_NM / frame_s, 0))  # two pixels a frame
    frames, _ = seen(FILMS["rough hole"], drift, frames=4)
    # The drift in the time from one column to another is what is left: 1/70 of a pixel at most.
    for k, frame in enumerate(frames):
        np.testing.assert_allclose(
            frame[:, : SHAPE[1] - 2 * k], frames[0][:, 2 * k :], atol=0.02 * np.ptp(frame) / 10
        )
    assert np.abs(frames[1] - frames[0]).max() > 1


def test_the_same_bits_whatever_the_batch_and_the_threads():
    shaky = SHAKY.replace(row_jitter_pm=50.0)
    scopes = [scope(film, shaky) for film in FILMS.values()]
    poses = sf.orientation.random(len(scopes), seed=1)
    call = {"seed": 5, "frames": 2}
    whole = sf.simulate(SPECK, poses, scopes, n_threads=1, **call)
    for n in (2, 3, 8):
        assert (sf.simulate(SPECK, poses, scopes, n_threads=n, **call) == whole).all()
    for start, stop in ((0, 1), (1, 5)):
        part = sf.simulate(
            SPECK, poses[start:stop], scopes[start:stop], first_index=start, n_threads=3, **call
        )
        assert (part == whole[start:stop]).all()
    # So wide that one thread, too, takes the film in portions.
    wide = scope(FILMS["rough hole"], shaky, shape=(70, 1500))
    one = sf.simulate(SPECK, None, wide, seed=1, n_threads=1)
    for n in (2, 8):
        assert (sf.simulate(SPECK, None, wide, seed=1, n_threads=n) == one).all()


def digest_of_all_films():
    """What the program of the next test prints."""
    scopes = [scope(film, SHAKY.replace(row_jitter_pm=50.0)) for film in FILMS.values()]
    poses = sf.orientation.random(len(scopes), seed=1)
    truth = sf.simulate(SPECK, poses, scopes, seed=5, return_truth=True).truth
    return hashlib.sha256(truth.expected_electrons.tobytes()).hexdigest()


def test_the_same_bits_under_every_instruction_set():
    program = "import test_film_motion as test\ndigests = [test.digest_of_all_films()]"
    found = digests_of(program)
    assert {tuple(digests) for digests in found.values()} == {(digest_of_all_films(),)}, found


def test_a_drift_down_the_wedge_is_refused():
    film = sf.Film(thickness_nm=2, wedge_nm_per_um=100)
    frame_s = SHAPE[0] * sf.Scan(shape=SHAPE).row_us * 1e-6
    for speed, frames in ((-5 / frame_s, 2), (-11 / frame_s, 1)):
        steep = scope(film, sf.Instability(drift_nm_s=(speed, 0)))
        with pytest.raises(
            ValueError, match=r"to where the film is -.* nm thin, expected at least"
        ):
            sf.simulate(SPECK, None, steep, seed=1, frames=frames)
        uphill = scope(film, sf.Instability(drift_nm_s=(-speed, 0)))
        assert sf.simulate(SPECK, None, uphill, seed=1, frames=frames).any()
