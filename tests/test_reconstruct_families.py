"""Particles of other families than the cuboid's through `reconstruct`."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast.fit.families.family import Family
from stemfast.fit.turns import Turns
from stemfast.particles.stl import read_stl
from stemfast.reconstruction import read_xyz, reconstruct, write_answer

TILTS = [-40.0, 0.0, 40.0]
SCOPE = sf.Microscope(
    scan=sf.Scan(shape=(44, 44), pixel_size_nm=0.5, dwell_us=10), beam=sf.Beam(current_pa=40)
)
RIVALS = ["octahedron", "truncated octahedron"]


def series(particle, seed=1):
    poses = Turns.about_axis(TILTS, axis_deg=20).rotations * Rotation.from_rotvec([0.5, 0.4, 0.3])
    return sf.simulate(particle, poses, SCOPE, seed=seed)


def test_a_truncated_octahedron_comes_out_with_its_facets(tmp_path):
    particle = sf.TruncatedOctahedron(edge=14, truncation=0.25)
    answer = reconstruct(series(particle), 0.5, TILTS, tilt_axis_deg=20, family=RIVALS)
    assert answer.explained
    assert answer.family == "truncated octahedron"
    assert answer.probabilities["truncated octahedron"] > 0.99
    # Nothing is known of the microscope: error bars of a few per cent, two-sided at four of them.
    assert abs(answer.volume_nm3 - particle.volume) < 4 * answer.volume_sd_nm3
    truth = {"100": 6 * 3.5**2}
    area, sd = answer.measures.areas_nm2["100"]
    assert abs(area - truth["100"]) < 4 * sd
    assert any("read off the images" in one for one in answer.assumptions)
    text = str(answer)
    assert "facets {111}" in text
    assert "% of the surface" in text

    names = sorted(path.name for path in write_answer(tmp_path / "out", answer))
    assert names == ["particle.stl", "reconstruct.json", "reconstruct.png"]
    said = json.loads((tmp_path / "out" / "reconstruct.json").read_text())
    assert said["particle"]["family"] == "truncated octahedron"
    assert said["particle"]["facet_shares"]["111"]["value"] > 0.5
    a, b, c = read_stl(tmp_path / "out" / "particle.stl").swapaxes(0, 1)
    volume = float(np.einsum("ij,ij->", a, np.cross(b, c))) / 6
    assert volume == pytest.approx(answer.volume_nm3, rel=1e-4)


def test_round_particles_are_written_with_faces(tmp_path):
    answer = reconstruct(
        series(sf.Sphere(5))[:1], 0.5, microscope=SCOPE, family=["sphere", "octahedron"]
    )
    assert answer.family == "sphere"
    assert answer.volume_nm3 == pytest.approx(sf.Sphere(5).volume, rel=0.01)
    write_answer(tmp_path / "out", answer)
    assert len(read_stl(tmp_path / "out" / "particle.stl")) > 300


def test_what_no_family_asked_for_explains_is_said(tmp_path):
    answer = reconstruct(series(sf.Sphere(5))[:1], 0.5, microscope=SCOPE, family="octahedron")
    assert not answer.explained
    assert "NOT EXPLAINED" in str(answer)
    assert "particle" not in answer.to_dict()
    assert len(write_answer(tmp_path / "out", answer)) == 2


def test_a_users_family_is_fitted():
    family = Family(
        "bipyramid", {"101": (1, 0, 1.5)}, symmetry="D4h", parameters=("distance of {101}",)
    )
    particle = family.particle(np.array([4.0]))
    answer = reconstruct(series(particle)[1:2], 0.5, microscope=SCOPE, family=family)
    assert answer.explained
    assert answer.sizes_nm["distance of {101}"][0] == pytest.approx(4.0, rel=0.01)


@pytest.mark.parametrize(
    ("family", "error", "message"),
    [
        ("sponge", ValueError, "family: got 'sponge'"),
        (3, TypeError, "family: got int"),
        ([], ValueError, "family: got none"),
    ],
)
def test_families_that_are_none_are_refused_at_once(family, error, message):
    with pytest.raises(error, match=message):
        reconstruct(np.zeros((40, 40)), 0.5, family=family)


def test_a_particle_that_fills_its_image_is_refused_at_once():
    image = np.random.default_rng(1).poisson(np.where(np.arange(64) < 24, 20.0, 400.0), (64, 64))
    with pytest.raises(ValueError, match=r"fills its image, \d+ % of whose border"):
        reconstruct(image, 0.3)
    with pytest.raises(ValueError, match="either there is no particle, or it fills the image"):
        reconstruct(np.random.default_rng(1).poisson(400.0, (64, 64)), 0.3)


def test_atoms_in_a_wrong_unit_are_doubted(tmp_path):
    file = tmp_path / "atoms.xyz"
    file.write_text("2\n\nPt 0 0 0\nPt 0 0 0.76\n")
    with pytest.warns(UserWarning, match=r"0.76 Å apart"):
        read_xyz(file)
