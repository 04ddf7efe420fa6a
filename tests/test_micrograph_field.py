"""The simulated field: a file like a microscope's, whose truth the finder recovers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stemfast import Image, Microscope, Scan
from stemfast.micrograph import MicrographError, find_particles, simulated_field
from stemfast.micrograph.files.read import read

pytest.importorskip("rsciio", reason="needs RosettaSciIO, the extra [io]")
pytest.importorskip("skimage", reason="needs scikit-image, the extra [io]")


@pytest.mark.parametrize("seed", [0, 1, 5])
def test_every_particle_of_a_field_is_found(seed: int, tmp_path: Path) -> None:
    field = simulated_field(seed)
    image = Image(field.image, field.pixel_size_nm, title="simulated field")
    file = image.save(tmp_path / "field.hspy")
    micrograph = read(file)
    assert micrograph.title == "simulated field"
    assert micrograph.pixel_size_nm == field.pixel_size_nm
    np.testing.assert_array_equal(micrograph.image, field.image)
    found = find_particles(micrograph)
    assert len(found) == len(field.shapes) == 25
    centres = np.array([p.centroid for p in found])
    distance = np.linalg.norm(field.centres_px[:, np.newaxis] - centres, axis=2)
    # The centre of mass of a tetrahedron is not the middle of its outline: a quarter of it off.
    nearest = distance.argmin(axis=1)
    assert sorted(nearest) == list(range(25))
    assert (distance.min(axis=1) * field.pixel_size_nm < 0.25 * field.diameters_nm).all()
    for shape, diameter, n in zip(field.shapes, field.diameters_nm, nearest, strict=True):
        if shape == "sphere":
            assert found[n].equivalent_diameter_nm == pytest.approx(diameter, rel=0.08)


def test_some_particles_touch_and_every_shape_occurs() -> None:
    field = simulated_field(3)
    assert {field.shapes.count(name) for name in set(field.shapes)} == {8, 9}
    assert len(set(field.shapes)) == 3
    together = find_particles(field.image, field.pixel_size_nm, separate_touching=False)
    assert len(together) < 23


def test_a_field_follows_from_its_seed() -> None:
    first, again, other = simulated_field(8), simulated_field(8), simulated_field(9)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.positions_nm, again.positions_nm)
    assert first.shapes == again.shapes
    assert not np.array_equal(first.image, other.image)


def test_fields_that_cannot_be_are_refused() -> None:
    small = Microscope(scan=Scan(shape=(64, 64), pixel_size_nm=1.0))
    with pytest.raises(MicrographError, match="n_particles: 25 do not fit into 64 x 64 nm"):
        simulated_field(0, microscope=small)
    for n in (0, True):
        with pytest.raises(MicrographError, match="n_particles: got"):
            simulated_field(0, n_particles=n)


def test_a_share_of_the_cuboids_has_cut_corners_and_all_else_stays() -> None:
    whole, some, every = (simulated_field(4, deformed=share) for share in (0.0, 0.5, 1.0))
    assert whole.shapes == some.shapes == every.shapes
    assert set(whole.corners) == {0}
    for field in (some, every):
        cut = np.array(field.corners) > 0
        cuboids = np.array([shape == "cuboid" for shape in field.shapes])
        assert (cuboids | ~cut).all()
        np.testing.assert_array_equal(field.diameters_nm[~cut], whole.diameters_nm[~cut])
        assert (field.diameters_nm[cut] < whole.diameters_nm[cut]).all()
        assert max(field.corners) <= 8
    assert 0 < np.count_nonzero(some.corners) < np.count_nonzero(every.corners)
    assert np.count_nonzero(every.corners) == every.shapes.count("cuboid")
    # A corner cut by half of its edges takes a 48th of the volume.
    least = (1.0 - 8 / 48) ** (1 / 3)
    assert (every.diameters_nm > least * whole.diameters_nm).all()
    with pytest.raises(MicrographError, match=r"deformed: got 1.5, expected a chance of 0 … 1"):
        simulated_field(4, deformed=1.5)
