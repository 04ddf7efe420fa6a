"""Numbers without sense: a clear error, never a crash, a hang, infinity or NaN.

The first inputs are findings of random calls.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast import micrograph, orientation, units

CUBE = sf.Cuboid(edges=(8, 8, 8))
HUGE_INTEGER = 10**400


@pytest.mark.parametrize("size", [1e155, 1e10, 1e-7, 1e-300, HUGE_INTEGER])
@pytest.mark.parametrize(
    "make",
    [
        lambda x: sf.HexagonalPrism(edge=x, height=15),
        lambda x: sf.HexagonalPrism(edge=15, height=x),
        lambda x: sf.Sphere(radius=x),
        lambda x: sf.Ellipsoid(semi_axes=(x, 3, 3)),
        lambda x: sf.Icosahedron(edge=x),
        lambda x: sf.Decahedron(edge=x),
        lambda x: sf.Octahedron(edge=x),
        lambda x: sf.Tetrahedron(edge=x),
        lambda x: sf.Cuboid(edges=(3, x, 3)),
        lambda x: sf.Truncation.true_111(depth_nm=x),
        lambda x: sf.Rounding(radius_nm=x),
        lambda x: sf.voxelize(CUBE, voxel_size_nm=x),
        lambda x: sf.project_volume(np.ones((2, 2, 2)), voxel_size_nm=x),
        lambda x: sf.Image(np.eye(8), x),
        lambda x: sf.Scan(pixel_size_nm=x),
    ],
)
def test_sizes_beyond_sense_are_refused_by_name(make, size):
    with pytest.raises(ValueError, match=r"(from|finite|at most).*got"):
        make(size)


@pytest.mark.parametrize("shift", [1e10, -1e155, HUGE_INTEGER])
def test_positions_beyond_sense_are_refused_by_name(shift):
    for make in (
        lambda: sf.Displacement(nm=shift),
        lambda: sf.Displacement(vector_nm=(0, shift, 0)),
        lambda: sf.thickness(CUBE, positions_nm=(shift, 0, 0)),
        lambda: sf.Specimen([CUBE], positions_nm=[(shift, 0, 0)]),
        lambda: sf.Polyhedron.from_vertices([(0, 0, 0), (shift, 0, 0), (0, 1, 0), (0, 0, 1)]),
    ):
        with pytest.raises((ValueError, TypeError), match=r"nm|points"):
            make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: sf.Detector(bits=None, gain=1e300),
        lambda: sf.Detector(offset=-1e300),
        lambda: sf.Detector(read_noise=1e13),
        lambda: sf.Detector(gain=1e-300),
        lambda: sf.Detector(gain=HUGE_INTEGER),
        lambda: sf.Beam(energy_kev=1e300),
        lambda: sf.Beam(current_pa=1e13),
        lambda: sf.Scan(dwell_us=1e300),
        lambda: sf.Scan(flyback_us=HUGE_INTEGER),
        lambda: sf.Probe(fwhm_nm=1e200),
        lambda: sf.Film(thickness_nm=1e200),
        lambda: sf.Instability(drift_nm_s=(0, -1e200)),
    ],
)
def test_settings_beyond_sense_are_refused_by_name(make):
    with pytest.raises(ValueError, match=r"^\w+\.\w+.*: expected a (finite )?number.*, got"):
        make()


@pytest.mark.parametrize(
    "call",
    [
        lambda: units.wavelength_nm(1e300),
        lambda: units.wavelength_nm(1e-300),
        lambda: units.wavelength_nm(HUGE_INTEGER),
        lambda: units.electrons_per_nm2(1e300, 1e-300),
    ],
)
def test_conversions_of_numbers_beyond_sense_are_refused_by_name(call):
    with pytest.raises(ValueError, match=r"must be (at most|at least|finite).*got"):
        call()


def test_a_spin_by_countless_turns_is_refused():
    with pytest.raises(ValueError, match="spin_rad_s turns the particle by .* rad during the scan"):
        sf.thickness(CUBE, scan=sf.Scan(dwell_us=1e9), spin_rad_s=(0, 0, 1e3))


def test_edited_cuboids_turned_by_next_to_nothing_do_not_run_out_of_the_image():
    particle = sf.Cuboid(
        edges=(24, 20, 16), corners={0: sf.Displacement(nm=-4.2), 6: sf.Displacement(nm=-1)}
    )
    for angles in [(90, 45, 1e-9), (90, 0, 0), (1e-300, 90, 45), (45, 1e-12, 90)]:
        turn = Rotation.from_euler("xyz", angles, degrees=True)
        for pixel in (1e-6, 1e-3, 0.35, 1e9):
            for engine in ("exact", "voxel"):
                scan = sf.Scan(shape=(16, 17), pixel_size_nm=pixel)
                if engine == "voxel" and pixel == 1e-6:  # too many layers
                    continue
                t = sf.thickness(particle, turn, scan, engine=engine)
                assert np.isfinite(t).all()
                assert t.min() >= 0
                assert t.max() < 60 or pixel == 1e9  # one voxel is as thick as a pixel is wide


@pytest.mark.parametrize("pixel", [1e-40, 1e-300, 1e40])
def test_the_core_holds_pixels_that_are_refused_at_the_door(pixel):
    """Ranges of rows and columns beyond any integer: the least of them was taken for one once."""
    particle = sf.Cuboid(
        edges=(24, 20, 16), corners={0: sf.Displacement(nm=-4.2), 6: sf.Displacement(nm=-1)}
    )
    scan = sf.Scan(shape=(16, 17)).model_copy(update={"pixel_size_nm": pixel})
    for shown in (particle, sf.Sphere(8), sf.Icosahedron(8)):
        for angles in [(90, 45, 1e-9), (90, 0, 0), (1e-300, 90, 45)]:
            t = sf.thickness(shown, Rotation.from_euler("xyz", angles, degrees=True), scan)
            assert t.shape == (16, 17)


@pytest.mark.parametrize("particle", [CUBE, sf.Sphere(4), sf.Icosahedron(4)])
@pytest.mark.parametrize("far", [(1e9, -1e9, 1e9), (0, 0, -1e9), (1e9, 0, 0)])
def test_particles_at_the_end_of_the_world(particle, far):
    scan = sf.Scan(shape=(9, 9), pixel_size_nm=1e-3)
    t = sf.thickness(particle, Rotation.from_rotvec([1, 2, 3]), scan, positions_nm=far)
    assert np.isfinite(t).all()
    assert sf.voxelize(sf.Specimen([particle], positions_nm=[far]), voxel_size_nm=1e8).size >= 1


def test_a_rough_film_on_the_widest_pixels_comes_back():
    film = sf.Film(thickness_nm=5, roughness_nm=1)
    scan = sf.Scan(shape=(16, 16), pixel_size_nm=1e9)
    scope = sf.Microscope(scan=scan, probe=sf.Probe(fwhm_nm=1e9), film=film)
    assert np.isfinite(sf.simulate(CUBE, microscope=scope, seed=1)).all()


def test_the_voxel_engine_refuses_countless_layers():
    with pytest.raises(ValueError, match=r"8000\d+\.\d* layers .* at most 2\^20"):
        sf.thickness(CUBE, scan=sf.Scan(pixel_size_nm=1e-6), engine="voxel")
    with pytest.raises(MemoryError):
        sf.voxelize(CUBE, voxel_size_nm=1e-6)


def test_rows_that_are_one_row_again_and_again_are_counted_before_they_are_copied():
    many = np.broadcast_to(np.ones(3), (10**10, 3))
    with pytest.raises(MemoryError, match="positions_nm of 10000000000 rows needs"):
        sf.thickness(CUBE, positions_nm=many)
    with pytest.raises(ValueError, match="at most 100000 rows"):
        sf.Polyhedron.from_vertices(many)
    with pytest.raises(MemoryError, match="orientations"):
        orientation.random(10**12, seed=0)


def test_a_blur_wider_than_the_image_is_refused():
    for changes in ({"sigma": 1e6}, {"radius": np.inf}, {"row": np.nan}, {"sigma": HUGE_INTEGER}):
        numbers = {"radius": 5.0, "sigma": 1.0, "row": 4.0} | changes
        row = numbers.pop("row")
        with pytest.raises(ValueError, match=next(iter(changes))):
            micrograph.sphere_thickness((20, 20), row, 4.0, **numbers)
    with pytest.raises(MemoryError):
        micrograph.sphere_thickness((10**7, 10**7), 4.0, 4.0, radius=5.0, sigma=0.0)


def test_a_flat_solid_and_text_that_is_none_are_errors_of_ours():
    flat = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 1e-17), (0.5, 0.5, 0)]
    with pytest.raises(ValueError, match="points must enclose a volume"):
        sf.Polyhedron.from_vertices(flat)
    needle = [(1, 1, 1), (1, 1, 3), (1, 1e9, 1), (3, 1, 1)]
    with pytest.raises(ValueError, match="points must enclose a volume|a face has no area"):
        sf.Polyhedron.from_vertices(needle)
    for volume in (1e150, HUGE_INTEGER, np.ones((2, 2, 2), np.complex64)):
        with pytest.raises((ValueError, TypeError), match="volume"):
            sf.project_volume(volume, voxel_size_nm=1.0)
    with pytest.raises(ValueError, match="title holds half a surrogate pair"):
        sf.Image(np.eye(8), 1.0, title="\ud800")
