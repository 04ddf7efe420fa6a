"""What a reconstruction is made of: reading, cropping, microscopes, tilts, atoms, STL."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast.fit import CutCuboid
from stemfast.fit.cuboid.axes import alike, sorted_axes
from stemfast.fit.turns import Turns
from stemfast.micrograph import MicrographError
from stemfast.particles.stl import read_stl
from stemfast.reconstruction import Atoms, network, read_series, read_xyz, write_stl
from stemfast.reconstruction.instrument import estimate, measure_response
from stemfast.reconstruction.prepare import prepare
from stemfast.reconstruction.turns import checked_tilts, find_axis
from stemfast.symmetry import cuboid_symmetry

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
NEEDLE = DATA / "haadf_tilt_series_needle.dm3"
ATOMS = DATA / "pdpt_truncated_octahedron.xyz"
needs_needle = pytest.mark.skipif(not NEEDLE.is_file(), reason="no ../shared/data/ tilt series")
needs_atoms = pytest.mark.skipif(not ATOMS.is_file(), reason="no ../shared/data/ atoms")

PARTICLE = sf.Cuboid(edges=(16, 13, 10), corners={7: sf.Truncation(0.4), 2: sf.Truncation(0.3)})


# reading


@needs_needle
def test_a_tilt_series_says_its_tilts_and_pixel_size():
    series = read_series([NEEDLE], views=4)
    assert series.tilts_deg is not None
    assert series.tilts_deg.tolist() == [-90, -30, 30, 90]
    assert series.images[0].shape == (64, 64)
    np.testing.assert_allclose(series.pixel_size_nm, 17.995, rtol=1e-4)
    chosen = read_series([NEEDLE], index=[45, 0])
    assert chosen.tilts_deg is not None
    assert chosen.tilts_deg.tolist() == [0, -90]
    whole = read_series([NEEDLE])
    assert len(whole) == 8
    assert any("8 of 91" in note for note in whole.notes)


def stack(folder: Path, n: int = 5) -> Path:
    path = folder / "stack.npy"
    np.save(path, np.random.default_rng(1).random((n, 16, 16)))
    return path


def test_several_files_are_several_images(tmp_path):
    files = []
    for k, size in enumerate((0.3, 0.4)):
        image = sf.Image(np.random.default_rng(k).random((16, 16)).astype(np.float32), size)
        files.append(image.save(tmp_path / f"{k}.hspy"))
    series = read_series(files)
    assert series.pixel_size_nm.tolist() == pytest.approx([0.3, 0.4])
    assert series.names == ("0.hspy", "1.hspy")
    assert series.tilts_deg is None


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"files": []}, "files: got none"),
        ({"views": 0}, "views: got 0, expected 1 to 16"),
        ({"views": 17}, "views: got 17"),
        ({"views": 6}, "views: got 6, but stack.npy holds 5"),
        ({"index": [5]}, "index: got 5, expected frames 0 to 4"),
        ({"index": [1, 1]}, "each frame once"),
        ({"index": [1], "views": 2}, "views and index: got both"),
        ({"pixel_size_nm": -1.0}, "pixel_size_nm"),
        ({"pixel_size_nm": None}, "no pixel size in the file"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path, wanted, words):
    settings = {"files": [stack(tmp_path)], "pixel_size_nm": 0.5} | wanted
    with pytest.raises(ValueError, match=words):
        read_series(**settings)


def test_a_file_without_calibration_among_others_is_named(tmp_path):
    one = sf.Image(np.random.default_rng(1).random((16, 16)), 0.3).save(tmp_path / "one.hspy")
    np.save(tmp_path / "bare.npy", np.random.default_rng(2).random((16, 16)))
    with pytest.raises(MicrographError, match=r"bare\.npy: no pixel size"):
        read_series([one, tmp_path / "bare.npy"])
    with pytest.raises(ValueError, match="files: got 17, expected at most 16"):
        read_series([one] * 17)
    (tmp_path / "broken.dm3").write_bytes(b"no micrograph")
    with pytest.raises(MicrographError, match=r"broken\.dm3"):
        read_series([tmp_path / "broken.dm3"])
    with pytest.raises(MicrographError, match="no such file"):
        read_series([tmp_path / "missing.dm3"])


# one image


def test_the_particle_is_cut_out_and_its_place_kept():
    scope = sf.Microscope(scan=sf.Scan(shape=(160, 180), pixel_size_nm=0.3))
    there = sf.Specimen(
        particles=[PARTICLE, sf.Sphere(3)], positions_nm=[(8.0, -6.0, 0), (-15.0, 12.0, 0)]
    )
    view = prepare("two", sf.simulate(there, microscope=scope, seed=1), 0.3)
    assert max(view.shape) < 110
    rows, columns = np.nonzero(view.particle)
    centre = np.array([columns.mean(), rows.mean()]) - 0.5 * (np.array(view.shape[::-1]) - 1)
    np.testing.assert_allclose(centre * 0.3 + view.middle_nm, (8.0, -6.0), atol=0.3)
    assert "several particles" in view.warnings[0]


def test_many_pixels_are_joined_and_no_electron_is_lost():
    scope = sf.Microscope(
        scan=sf.Scan(shape=(256, 256), pixel_size_nm=0.09, dwell_us=2),
        probe=sf.Probe(fwhm_nm=0.2),
        detector=sf.Detector(gain=3, offset=20, read_noise=2),
    )
    image = sf.simulate(PARTICLE, microscope=scope, seed=1)
    view = prepare("fine", image, 0.09)
    assert view.joined == 2
    joined = view.microscope(scope)
    assert joined.electrons_per_pixel == pytest.approx(4 * scope.electrons_per_pixel)
    assert joined.detector.offset == 80
    assert joined.detector.read_noise == 4
    assert joined.scan.pixel_size_nm == pytest.approx(0.18)
    assert joined.scan.shape == view.shape


def test_dose_gain_and_film_are_read_off_the_images():
    scope = sf.Microscope(
        scan=sf.Scan(shape=(96, 96), pixel_size_nm=0.3, dwell_us=20),
        detector=sf.Detector(gain=4, offset=100),
        film=sf.Film(thickness_nm=6),
    )
    images = sf.simulate(PARTICLE, sf.orientation.random(4, seed=3), scope, seed=1)
    views = [prepare(str(k), image, 0.3) for k, image in enumerate(images)]
    for view in views:
        noise = measure_response(view)
        assert noise.measured
        assert noise.gain == pytest.approx(4, rel=0.2)
    scopes, assumed = estimate(views, material="Au")
    for found in scopes:
        assert found.electrons_per_pixel == pytest.approx(scope.electrons_per_pixel, rel=0.3)
        assert 2 < found.film.thickness_nm < 12
    assert any("material Au" in said for said in assumed)
    assert any("dose" in said for said in assumed)


def test_unevenness_of_a_support_is_read_off_what_is_around_the_particle():
    cuboid = sf.Cuboid(edges=(16, 13, 11))
    turn = Rotation.from_rotvec([0.5, 0.4, 0.3])
    scan = sf.Scan(shape=(96, 104), pixel_size_nm=0.4, dwell_us=20)
    spheres = [sf.Sphere(22.5, material="C")] * 2
    on_support = sf.Specimen(
        [cuboid, *spheres],
        [(0, 0, 0), (-18, 4, 45), (20, -14, 45)],
        Rotation.concatenate([turn, Rotation.identity(2)]),
    )
    film, support = (
        prepare("seen", sf.simulate(solid, pose, sf.Microscope(scan=scan), seed=4), 0.4)
        for solid, pose in ((cuboid, turn), (on_support, None))
    )
    even, uneven = (estimate([view], material="Au") for view in (film, support))
    assert even[0][0].film.roughness_nm == 0.0
    assert not any("uneven" in said for said in even[1])
    rough = uneven[0][0].film
    # Carbon of 0 to 45 nm and none.
    assert 3.0 < rough.roughness_nm < 25.0
    assert rough.thickness_nm > 3.0 * rough.roughness_nm
    assert any("as uneven as carbon of" in said for said in uneven[1])
    # The mean level of what is around stays.
    scope, curve = uneven[0][0], uneven[0][0].scattering_curve("C")
    share = float(curve.fraction(np.array(rough.thickness_nm / curve.mean_free_path_nm)))
    level = scope.detector.offset + scope.detector.gain * scope.electrons_per_pixel * share
    assert level == pytest.approx(float(np.median(support.film)), rel=0.01)


def test_an_image_without_noise_or_particle_says_so():
    rows, cols = np.indices((64, 64))
    disc = prepare("disc", 10.0 + 40.0 * (np.hypot(rows - 30, cols - 30) < 9), 0.5)
    assert not measure_response(disc).measured
    assert any("does not grow" in said for said in estimate([disc], material="Pt")[1])
    with pytest.raises(ValueError, match=r"empty: .*no particle"):
        prepare("empty", np.random.default_rng(1).poisson(10, (64, 64)), 0.5)


# tilts


@pytest.mark.parametrize("axis", [15.0, 100.0])
def test_the_tilt_axis_is_found_in_the_images(axis):
    tilts = [-55.0, -20.0, 20.0, 55.0]
    scope = sf.Microscope(scan=sf.Scan(shape=(96, 96), pixel_size_nm=0.3))
    turns = Turns.about_axis(tilts, axis_deg=axis).rotations * Rotation.from_rotvec([0.4, 0.7, 1])
    images = sf.simulate(PARTICLE, turns, scope, seed=1)
    views = [prepare(str(k), image, 0.3) for k, image in enumerate(images)]
    found = find_axis(views, [view.image - view.film for view in views])
    assert abs((found - axis + 90) % 180 - 90) < 5


@pytest.mark.parametrize("wrong", [[0.0], [0.0, np.nan], [[0.0, 1.0]], Rotation.identity(3)])
def test_tilts_of_another_number_are_refused(wrong):
    with pytest.raises(ValueError, match="tilts: got"):
        checked_tilts(wrong, 2)
    with pytest.raises(TypeError, match="tilts: got 'steep'"):
        checked_tilts("steep", 2)


# axes


def test_sorted_axes_show_the_same_particle():
    pose = Rotation.from_rotvec([0.3, -0.8, 0.5])
    particle = sf.Cuboid(edges=(10, 16, 13), corners=dict.fromkeys((1, 6), sf.Truncation(0.4)))
    shape = CutCuboid.of(particle, pose)
    (laid,) = sorted_axes([shape])
    assert laid.edges_nm.tolist() == [16, 13, 10]
    before = sf.thickness(particle, pose)
    after = sf.thickness(laid.particle(), laid.orientation())
    np.testing.assert_allclose(after, before, atol=1e-4)
    assert alike(np.array([14.0, 13.8, 13.7]), np.full(3, 0.1)).group == "Oh"
    assert alike(np.array([14.0, 13.0, 12.9]), np.full(3, 0.1)).group == "D4h"
    assert alike(np.array([14.0, 13.0, 12.0]), np.full(3, 0.1)).group == "D2h"


# the network's proposal


def test_the_networks_corners_are_laid_on_the_particle_every_way():
    pose = Rotation.from_rotvec([0.3, -0.8, 0.5])
    shape = CutCuboid.of(sf.Cuboid(edges=(10, 16, 13)), pose)
    severity = np.zeros(8)
    severity[[0, 3]] = 0.3, 0.45
    laid = network.placed(network.Proposal(0b1001, severity, np.ones(1)), [shape])
    symmetry = cuboid_symmetry((16, 13, 10), tolerance_nm=0.0)
    assert sorted(way[0].mask for way in laid) == list(symmetry.orbit(0b1001, mirror=True))
    for (way,) in laid:
        assert sorted(way.cuts[way.cuts > 0]) == [0.3, 0.45]
        assert way.edges_nm.tolist() == [16, 13, 10]


class FakeNetwork:
    """Takes what the real one takes, and remembers it."""

    image_shape = (128, 128)
    card: ClassVar = {"recipe": {"field_nm": 32.0, "image_px": 128}}

    def predict(self, images, pixel_size_nm, *, turns=None, spin=None):
        self.asked = images, pixel_size_nm, turns
        return SimpleNamespace(mask=128, severity=np.full(8, 0.4), share=np.array([0.75, 0.25]))


def test_the_network_sees_every_particle_as_large_as_those_it_learnt_from(monkeypatch):
    fake = FakeNetwork()
    monkeypatch.setattr(network, "_load", lambda: fake)
    images = []
    for k, size in enumerate((0.35, 0.2)):
        scope = sf.Microscope(scan=sf.Scan(shape=(110, 110), pixel_size_nm=size, dwell_us=20))
        images.append(prepare(str(k), sf.simulate(PARTICLE, microscope=scope, seed=1), size))
    answer = network.ask(images, None)
    assert answer is not None
    assert answer.share.tolist() == [0.75, 0.25]
    stack, size, _ = fake.asked
    assert stack.shape == (2, 128, 128)
    assert size == 0.25
    across = np.mean([2 * np.sqrt(view.area_nm2 / np.pi) for view in images])
    for view, image in zip(images, stack, strict=True):
        # As many pixels as 63 across, whatever they were; the middle in the middle; film around.
        seen = prepare("as asked", image, across / 63.2)
        assert seen.area_nm2 == pytest.approx(view.area_nm2, rel=0.04)
        assert np.abs(seen.middle_nm).max() < 0.6
        film = float(np.median(view.film))
        assert float(np.median(image[:8])) == pytest.approx(film, rel=0.1)


def test_the_network_sees_images_of_the_right_size_as_they_are(monkeypatch):
    fake = FakeNetwork()
    monkeypatch.setattr(network, "_load", lambda: fake)
    scope = sf.Microscope(scan=sf.Scan(shape=(128, 128), pixel_size_nm=0.25))
    taken = sf.simulate(sf.Cuboid(edges=(16, 13, 11)), microscope=scope, seed=1)
    network.ask([prepare("one", taken, 0.25)] * 2, None)
    stack, size, _ = fake.asked
    assert size == 0.25
    middle = slice(50, 78)
    signal = prepare("one", taken, 0.25)
    assert np.isin(stack[0][middle, middle], signal.image).all()


# STL


@pytest.mark.parametrize("particle", [PARTICLE, sf.Icosahedron(edge=5)])
def test_stl_is_closed_outward_and_of_the_right_volume(tmp_path, particle):
    corners = read_stl(write_stl(tmp_path / "a.stl", particle))
    a, b, c = corners.swapaxes(0, 1)
    # Divergence theorem: a sixth of the sum of a·(b × c), positive if outward.
    volume = float(np.einsum("ij,ij->", a, np.cross(b, c))) / 6
    assert volume == pytest.approx(particle.volume, rel=1e-5)
    keys = [tuple(point) for point in corners.reshape(-1, 3).round(4).tolist()]
    edges = [(keys[3 * t + i], keys[3 * t + (i + 1) % 3]) for t in range(len(a)) for i in range(3)]
    # Watertight: every edge is walked once each way.
    assert len(set(edges)) == len(edges)
    assert {(q, p) for p, q in edges} == set(edges)


def test_what_has_no_faces_or_is_no_stl_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no faces"):
        write_stl(tmp_path / "ball.stl", sf.Sphere(3))
    (tmp_path / "other.stl").write_bytes(b"solid")
    with pytest.raises(ValueError, match="expected a binary STL"):
        read_stl(tmp_path / "other.stl")


# atoms


def test_atoms_scatter_as_their_cross_sections_say():
    rng = np.random.default_rng(1)
    atoms = Atoms(("Pt", "Pd") * 20, rng.uniform(-2, 2, (40, 3)))
    scope = sf.Microscope()
    volume = atoms.depth_volume(scope, voxel_size_nm=0.11)
    from stemfast.materials import cross_section_nm2

    expected = 20 * sum(cross_section_nm2(z, 200, 60, 200) for z in (78, 46))
    assert float(volume.sum()) * 0.11**3 == pytest.approx(expected, rel=1e-5)


def test_a_solid_of_atoms_looks_like_the_solid():
    # A simple cubic block of as many atoms a volume as bulk gold.
    step = (4 / 58.99) ** (1 / 3) / 4 ** (1 / 3)
    n = 24
    grid = np.stack(np.meshgrid(*[np.arange(n) * step] * 3, indexing="ij"), -1).reshape(-1, 3)
    atoms = Atoms(("Au",) * n**3, grid)
    edge = n * step
    scope = sf.Microscope(
        scan=sf.Scan(shape=(48, 48), pixel_size_nm=0.2, dwell_us=400), probe=sf.Probe(fwhm_nm=0.5)
    )
    pose = Rotation.from_rotvec([[0.5, 0.4, 0.3]])
    image = atoms.images(pose, scope, seed=1, sigma_nm=0.12)[0]
    solid = sf.simulate(sf.Cuboid(edges=(edge,) * 3), pose[0], scope, seed=2, return_truth=True)
    expected = solid.truth.expected_electrons
    assert float(image.sum()) == pytest.approx(float(expected.sum()), rel=0.01)
    off = float(np.sqrt(np.mean((image - expected) ** 2)) / expected.max())
    assert off < 0.05


@needs_atoms
def test_the_measured_particle_is_read():
    atoms = read_xyz(ATOMS)
    assert len(atoms) == 8468
    assert atoms.spacing_nm() == pytest.approx(0.264, abs=0.002)
    assert atoms.hull_volume_nm3(0.0) == pytest.approx(121.5, abs=0.1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1"),
        ("two\n\nPt 0 0 0\n", "line 1"),
        ("²\n\nPt 0 0 0\n", "line 1"),
        ("2\n\nPt 0 0 0\n", "1 atoms, expected 2"),
        ("1\n\nPt 0 zero 0\n", "line 3"),
        ("1\n\nXx 0 0 0\n", "elements: got 'Xx'"),
    ],
)
def test_what_is_no_xyz_file_is_refused(tmp_path, text, words):
    path = tmp_path / "a.xyz"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=rf"a\.xyz: .*{words}"):
        read_xyz(path)
