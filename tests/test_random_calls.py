"""Random calls of the public face: a right answer, or an error of ours; never a crash or NaN.

Some hundreds of them here; ``make fuzz`` makes 10,000.
"""

from __future__ import annotations

import os
import warnings

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast import micrograph, orientation, units

CALLS = int(os.environ.get("STEMFAST_FUZZ_CALLS", "300"))

HOSTILE = [
    0, -1, -0.0, 1e-6, 1e9, -1e9, 1e12, 1e150, 1e-150, 1e300, 5e-324, float("inf"), float("nan"),
    10**400, 2**63, True, "3", "", None, 1j, b"1", [1], (), {}, object(), np.float32(3),
    np.int64(5), np.float16(2), np.array(3.0), np.array([1, 2]), np.datetime64("2020"), "\ud800",
]  # fmt: skip
number = st.one_of(
    st.floats(0.5, 30), st.floats(0.5, 30), st.integers(1, 20), st.sampled_from(HOSTILE)
)
triple = st.one_of(st.tuples(number, number, number), st.sampled_from(HOSTILE))
edit = st.one_of(
    st.builds(lambda x: lambda: sf.Truncation(x), st.one_of(st.floats(0, 1), number)),
    st.builds(lambda x: lambda: sf.Truncation.true_111(depth_nm=x), number),
    st.builds(lambda x: lambda: sf.Displacement(nm=x), st.one_of(st.floats(-5, 5), number)),
    st.builds(lambda x: lambda: sf.Displacement(vector_nm=x), triple),
    st.builds(lambda x: lambda: sf.Rounding(radius_nm=x), number),
)
corners = st.dictionaries(st.integers(0, 8), edit, max_size=4)
points = st.lists(st.tuples(number, number, number), max_size=9)
particle = st.one_of(
    st.builds(lambda x: lambda: sf.Sphere(x), number),
    st.builds(lambda x: lambda: sf.Ellipsoid(x), triple),
    st.builds(
        lambda e, c: lambda: sf.Cuboid(edges=e, corners={k: make() for k, make in c.items()}),
        triple,
        corners,
    ),
    st.builds(lambda x, y: lambda: sf.HexagonalPrism(edge=x, height=y), number, number),
    st.builds(lambda x: lambda: sf.Icosahedron(edge=x), number),
    st.builds(lambda x: lambda: sf.Octahedron(edge=x), number),
    st.builds(lambda x, m: lambda: sf.Tetrahedron(edge=x, material=m), number, number),
    st.builds(lambda p: lambda: sf.Polyhedron.from_vertices(p), points),
)


def options(**choices: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries({}, optional=choices)


shape = st.one_of(st.tuples(st.integers(1, 24), st.integers(1, 24)), st.tuples(number, number))
instability = options(
    drift_nm_s=st.tuples(number, number), row_jitter_pm=number, mains_pm=st.tuples(number, number),
    mains_hz=number, flyback_lag_nm=number, flyback_lag_us=number, drift_decay_s=number,
)  # fmt: skip
scan = st.tuples(
    options(shape=shape, pixel_size_nm=number, dwell_us=number, flyback_us=number), instability
)
beam = options(energy_kev=number, current_pa=number, convergence_mrad=number)
probe = options(fwhm_nm=number, depth_of_focus=number)
film = options(thickness_nm=number, roughness_nm=number, wedge_nm_per_nm=number)
detector = options(
    bits=st.sampled_from([8, 16, None, 12, "8"]), gain=number, offset=number, read_noise=number,
    excess_noise_factor=number, decay_us=number,
)  # fmt: skip
turn = st.tuples(st.floats(-400, 400), st.floats(-400, 400), st.sampled_from([0, 45, 90, 1e-9]))


def small(made: sf.Scan) -> sf.Scan:
    """Refuse what is legal but slow here."""
    if made.shape[0] * made.shape[1] > 4096:
        raise MemoryError("too large for a random call")
    return made


def scan_of(drawn):
    own, unstable = drawn
    return small(sf.Scan(**{"shape": (9, 11), **own, "instability": sf.Instability(**unstable)}))


def right(result: object) -> None:
    values = np.asarray(result)
    if values.dtype.kind in "fc":
        assert np.isfinite(values).all()


def attempt(call) -> None:
    """Call; the answer must be finite, or the error one of ours, with words in it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning)
        try:
            result = call()
        except (TypeError, ValueError, MemoryError) as error:
            if isinstance(error, UnicodeError) or not str(error):
                raise AssertionError("an error that says nothing of ours") from error
            return
    right(result)


campaign = settings(
    max_examples=max(1, CALLS // 6),
    deadline=None,
    derandomize=CALLS == 300,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@campaign
@given(particle, scan, turn, triple, st.sampled_from(["exact", "voxel", "", None]))
def test_thickness(make, drawn, angles, shift, engine):
    def call():
        shown, turned = make(), Rotation.from_euler("xyz", angles, degrees=True)
        volume = shown.volume
        assert np.isfinite(volume)
        assert volume > 0
        t = sf.thickness(shown, turned, scan_of(drawn), positions_nm=shift, engine=engine)
        assert t.min() >= 0
        return t

    attempt(call)


@campaign
@given(particle, scan, beam, probe, film, detector, triple)
def test_simulate(make, drawn, electrons, optics, support, electronics, spin):
    def call():
        scope = sf.Microscope(
            scan=scan_of(drawn), beam=sf.Beam(**electrons), probe=sf.Probe(**optics),
            film=sf.Film(**support), detector=sf.Detector(**electronics),
        )  # fmt: skip
        return sf.simulate(make(), microscope=scope, seed=1, spin_rad_s=spin)

    attempt(call)


@campaign
@given(particle, scan, detector, turn)
def test_simulate_with_most_things_as_they_are(make, drawn, electronics, angles):
    def call():
        scope = sf.Microscope(scan=scan_of(drawn), detector=sf.Detector(**electronics))
        turned = Rotation.from_euler("xyz", angles, degrees=True)
        return sf.simulate(make(), turned, scope, seed=1)

    attempt(call)


@campaign
@given(particle, number, st.one_of(st.none(), st.tuples(*[st.integers(-1, 20)] * 3)))
def test_voxelize(make, size, box):
    def call():
        shown = make()
        if box is None and isinstance(size, float) and not size > 0.5:
            return 0
        return sf.voxelize(shown, voxel_size_nm=size, shape=box)

    attempt(call)


arrays = st.builds(
    lambda n, kind, cut: np.arange(n**3).reshape(n, n, n).astype(kind)[::cut, :, ::-1],
    st.integers(0, 6),
    st.sampled_from(["u1", ">f4", "f8", "i2", "c8", "O", "?", "M8[s]", "S3"]),
    st.sampled_from([1, 2, -1]),
)


@campaign
@given(st.one_of(arrays, number), number, shape)
def test_project_volume_and_image(volume, size, window):
    attempt(lambda: sf.project_volume(volume, voxel_size_nm=size))
    if all(isinstance(n, int) and n < 100 for n in window):
        attempt(lambda: sf.project_volume(volume, voxel_size_nm=size, shape=window))
    attempt(lambda: sf.Image(volume, size).pixels.shape)


CONVERSIONS = (
    "wavelength_nm",
    "energy_kev",
    "lorentz_factor",
    "electrons",
    "current_pa",
    "electrons_per_nm2",
    "electrons_per_pixel",
    "sigma_from_fwhm",
    "fwhm_from_sigma",
    "to_nm",
)


@campaign
@given(st.sampled_from(CONVERSIONS), number, number)
def test_conversions_and_small_things(name, one, other):
    function = getattr(units, name)
    attempt(lambda: function(*[one, other][: function.__code__.co_argcount]))
    if not isinstance(one, int) or one < 1000:
        attempt(lambda: orientation.random(one, seed=other).as_quat())
    attempt(lambda: micrograph.sphere_thickness((8, 9), 4, 4, radius=one, sigma=other))
