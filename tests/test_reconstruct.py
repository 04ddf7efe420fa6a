"""Several images of one particle in, the particle out, or that it is none of this family."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast.fit.cuboid.axes import sorted_axes
from stemfast.fit.turns import Turns
from stemfast.particles.stl import read_stl
from stemfast.reconstruction import NOT_EXPLAINED, read_series, read_xyz, reconstruct, write_answer
from stemfast.symmetry import cuboid_symmetry

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
NEEDLE = DATA / "haadf_tilt_series_needle.dm3"
ATOMS = DATA / "pdpt_truncated_octahedron.xyz"

TILTS = [-45.0, 5.0, 45.0]
AXIS = 20.0
PARTICLE = sf.Cuboid(edges=(15, 12, 10), corners={7: sf.Truncation(0.4), 2: sf.Truncation(0.3)})


def scope(dwell_us: float = 10.0) -> sf.Microscope:
    return sf.Microscope(scan=sf.Scan(shape=(52, 52), pixel_size_nm=0.45, dwell_us=dwell_us))


def series(particle: sf.Particle, scopes=None, seed: int = 1) -> np.ndarray:
    poses = Turns.about_axis(TILTS, axis_deg=AXIS).rotations
    poses = poses * Rotation.from_rotvec([0.5, 0.4, 0.3])
    return sf.simulate(particle, poses, scopes or scope(), seed=seed)


def test_a_tilt_series_at_different_doses_comes_out_right(tmp_path):
    scopes = [scope(dwell) for dwell in (5, 10, 20)]
    told = []
    answer = reconstruct(
        series(PARTICLE, scopes),
        0.45,
        TILTS,
        tilt_axis_deg=AXIS,
        microscope=scopes,
        report=told.append,
    )
    assert told
    assert answer.explained
    assert answer.count == 2
    assert answer.count_probabilities[2] > 0.9
    np.testing.assert_allclose(answer.edges_nm, (15, 12, 10), atol=0.12)
    assert np.all(answer.edges_sd_nm < 0.1)
    assert answer.volume_nm3 == pytest.approx(PARTICLE.volume, rel=0.01)
    assert sorted(answer.cuts[answer.cuts > 0]) == pytest.approx([0.3, 0.4], abs=0.04)
    # The hand is that of the truth.
    symmetry = cuboid_symmetry(PARTICLE.edges, tolerance_nm=0.1)
    name, hand = symmetry.class_name(PARTICLE.deformed_mask).rsplit(", ", 1)
    assert (answer.orbit, answer.handedness) == (name, hand)
    assert answer.hand_probability is not None
    assert answer.hand_probability > 0.95
    assert sum(image.weight for image in answer.images) == pytest.approx(1)
    check_files(answer, tmp_path)


def check_files(answer, tmp_path) -> None:
    folder = tmp_path / "answer"
    names = [path.name for path in write_answer(folder, answer)]
    assert sorted(names) == ["particle.stl", "reconstruct.json", "reconstruct.png"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    said = json.loads((folder / "reconstruct.json").read_text())
    assert said["deformed_corners"] == 2
    assert len(said["images"]) == 3
    assert said["particle"]["volume_nm3"] == pytest.approx(answer.volume_nm3)
    a, b, c = read_stl(folder / "particle.stl").swapaxes(0, 1)
    volume = float(np.einsum("ij,ij->", a, np.cross(b, c))) / 6
    assert volume == pytest.approx(answer.volume_nm3, rel=1e-4)
    assert (folder / "reconstruct.png").read_bytes()[:4] == b"\x89PNG"
    text = str(answer)
    assert "deformed corners" in text
    assert f"{answer.edges_nm[0]:.2f} ± {answer.edges_sd_nm[0]:.2f} nm" in text
    write_answer(folder, answer)  # once more, over the old one


def test_nothing_has_to_be_known_of_the_microscope_or_the_axis():
    answer = reconstruct(series(PARTICLE), 0.45, TILTS)
    assert answer.explained
    assert answer.count == 2
    np.testing.assert_allclose(answer.edges_nm, (15, 12, 10), rtol=0.03)
    assert answer.volume_nm3 == pytest.approx(PARTICLE.volume, rel=0.05)
    assert answer.hand_probability is None
    assert "cannot be known" in answer.handedness
    assert any("tilt axis is not known" in warning for warning in answer.warnings)
    assert any("dose" in assumed for assumed in answer.assumptions)


def test_where_the_hand_cannot_be_known_a_particle_and_its_mirror_image_come_out_as_one():
    image = series(PARTICLE)[0]
    symmetry = cuboid_symmetry(PARTICLE.edges, tolerance_nm=0.1)
    for seen in (image, image[:, ::-1]):
        answer = reconstruct(seen, 0.45, microscope=scope(), family="cuboid")
        cut = sum(1 << corner for corner in answer.particle.corners)
        assert answer.count == 2
        assert symmetry.hand(cut) == "left-handed"
        assert "cannot be known" in answer.handedness
        np.testing.assert_array_equal(answer.cuts_sd > 0, answer.cuts > 0)
        depths = [answer.cuts[corner] for corner in answer.particle.corners]
        assert sorted(depths) == pytest.approx([0.3, 0.4], abs=0.08)


def test_other_solids_are_not_explained(tmp_path):
    hollow = sf.Hollow(sf.Sphere(6), sf.Sphere(4))
    shell = reconstruct(series(hollow)[:1], 0.45, microscope=scope(), family="cuboid")
    assert not shell.explained
    assert shell.shape_class == NOT_EXPLAINED
    assert "NOT EXPLAINED" in str(shell)
    said = shell.to_dict()
    assert "particle" not in said
    assert "count_probabilities" not in said
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "particle.stl").write_bytes(b"of an earlier answer")
    write_answer(tmp_path / "old", shell)
    names = sorted(path.name for path in (tmp_path / "old").iterdir())
    assert names == ["reconstruct.json", "reconstruct.png"]


def test_a_solid_that_no_cuboid_explains_is_looked_for_in_other_families():
    octahedron = reconstruct(series(sf.Octahedron(edge=13))[:1], 0.45, microscope=scope())
    assert octahedron.explained
    assert octahedron.family == "octahedron"
    assert octahedron.volume_nm3 == pytest.approx(sf.Octahedron(edge=13).volume, rel=0.01)


def test_images_of_different_particles_are_told():
    images = series(sf.Cuboid(edges=(14, 12, 10)))
    images[1] = series(sf.Cuboid(edges=(11, 10, 9)))[1]
    answer = reconstruct(images, 0.45, TILTS, tilt_axis_deg=AXIS, microscope=scope())
    assert not answer.explained
    assert any("different particles" in warning for warning in answer.warnings)


@pytest.mark.skipif(not NEEDLE.is_file(), reason=f"{NEEDLE.name} is not in ../shared/data")
def test_the_needle_is_not_explained():
    needle = read_series([NEEDLE], views=3)
    answer = reconstruct(needle.images, needle.pixel_size_nm.tolist(), needle.tilts_deg)
    assert not answer.explained
    assert any("beyond the image" in warning for warning in answer.warnings)


@pytest.mark.skipif(not ATOMS.is_file(), reason=f"{ATOMS.name} is not in ../shared/data")
def test_the_measured_particle_is_no_cuboid():
    atoms = read_xyz(ATOMS)
    taken = sf.Microscope(
        scan=sf.Scan(shape=(52, 52), pixel_size_nm=0.2, dwell_us=20), probe=sf.Probe(fwhm_nm=0.3)
    )
    poses = Turns.about_axis(TILTS, axis_deg=0).rotations * Rotation.from_rotvec([0.3, 0.2, 0.1])
    images = atoms.images(poses, taken, seed=1)
    answer = reconstruct(images, 0.2, TILTS, tilt_axis_deg=0, material="Pt", family="cuboid")
    assert not answer.explained
    assert answer.shape_class == NOT_EXPLAINED


IMAGES = np.random.default_rng(1).poisson(20, (2, 32, 32))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"images": []}, "images: got none"),
        ({"images": np.zeros((0, 32, 32))}, "images: got none"),
        ({"images": [IMAGES[0]] * 17}, "images: got 17, expected at most 16"),
        ({"images": [IMAGES[0], IMAGES]}, r"images\[1\] has shape"),
        ({"images": IMAGES * np.nan}, r"images\[0\] holds NaN"),
        ({"pixel_size_nm": [0.3]}, "pixel_size_nm: got 1 in shape"),
        ({"pixel_size_nm": [0.3, 0.0]}, "pixel_size_nm: expected a positive"),
        ({"tilts": [1.0, 2.0, 3.0]}, "tilts: got 3"),
        ({"tilt_axis_deg": 3.0}, "tilt_axis_deg: got an axis, but no tilts"),
        ({"tilt_sd_deg": -1.0}, "tilt_sd_deg"),
        ({"material": "unobtainium"}, "material 'unobtainium'"),
        ({"names": ["one"]}, "names: got 1, expected 2"),
        ({"microscope": sf.Microscope()}, r"microscope\[0\] scans"),
        ({"microscope": [sf.Microscope()] * 3}, "microscope: got 3"),
        ({}, "image 0: .*no particle"),
    ],
)
def test_bad_input_is_refused_by_name(arguments, words):
    with pytest.raises(ValueError, match=words):
        reconstruct(**({"images": IMAGES, "pixel_size_nm": 0.3} | arguments))


def test_sorting_axes_keeps_every_view_the_same():
    images = series(PARTICLE)
    assert images.shape == (3, 52, 52)
    answer = reconstruct(images[:1], 0.45, microscope=scope())
    assert answer.images[0].expected.shape == answer.images[0].measured.shape
    assert "one image" in answer.handedness
    (shape,) = sorted_axes([answer.images[0].shape])
    again = sf.simulate(shape.particle(), shape.orientation(), scope(), seed=2, return_truth=True)
    expected = again.truth.expected_electrons
    assert answer.explained
    assert float(np.abs(images[0] - expected).mean()) < 1.3 * float(np.sqrt(expected).mean())


@pytest.mark.parametrize("solid", ["atoms", "homogeneous"])
def test_one_image_of_a_truncated_octahedron_is_no_cuboid(solid):
    taken = sf.Microscope(
        scan=sf.Scan(shape=(64, 64), pixel_size_nm=0.2, dwell_us=20), probe=sf.Probe(fwhm_nm=0.3)
    )
    pose = sf.orientation.random(1, seed=2)
    if solid == "atoms":
        if not ATOMS.is_file():
            pytest.skip(f"{ATOMS.name} is not in ../shared/data")
        image = read_xyz(ATOMS).images(pose, taken, seed=2)[0]
    else:
        particle = sf.TruncatedOctahedron(edge=6.9, material="Pt")
        image = sf.simulate(particle, pose, taken, seed=2)[0]
    family = "cuboid" if solid == "atoms" else None
    answer = reconstruct(image, 0.2, material="Pt", family=family)
    if solid == "atoms":  # a core that scatters less
        assert not answer.explained
        assert answer.count == 8  # the nearest cuboid
    else:
        assert answer.explained
        assert answer.family == "truncated octahedron"
