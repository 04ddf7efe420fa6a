"""The ground-truth network that comes with the package, as reconstruct asks it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast.fit.turns import Turns
from stemfast.reconstruction import network, reconstruct
from stemfast.reconstruction.prepare import prepare
from stemfast.symmetry import cuboid_symmetry

TILTS = [-45.0, -15.0, 15.0, 45.0]
PARTICLE = sf.Cuboid(edges=(15, 12, 10), corners={7: sf.Truncation(0.4), 2: sf.Truncation(0.3)})

pytestmark = pytest.mark.skipif(network._load() is None, reason="the network is not installed")


def series(pixels: int, pixel_size_nm: float) -> tuple[np.ndarray, sf.Microscope]:
    scan = sf.Scan(shape=(pixels, pixels), pixel_size_nm=pixel_size_nm, dwell_us=10)
    scope = sf.Microscope(scan=scan)
    poses = Turns.about_axis(TILTS).rotations * Rotation.from_rotvec([0.5, 0.4, 0.3])
    return sf.simulate(PARTICLE, poses, scope, seed=1), scope


@pytest.mark.parametrize(("pixels", "size_nm"), [(128, 0.25), (64, 0.5), (256, 0.12)])
def test_it_names_the_corners_whatever_the_size_of_image_and_pixels(pixels, size_nm):
    images, _ = series(pixels, size_nm)
    views = [prepare(str(k), image, size_nm) for k, image in enumerate(images)]
    said = network.ask(views, Turns.about_axis(TILTS).rotations)
    assert said is not None
    symmetry = cuboid_symmetry(PARTICLE.edges, tolerance_nm=0.1)
    assert symmetry.class_name(said.mask) == symmetry.class_name(PARTICLE.deformed_mask)
    assert said.severity[said.severity > 0] == pytest.approx([0.35, 0.35], abs=0.06)
    assert said.share.sum() == pytest.approx(1)
    assert said.share.min() > 0.1


def test_its_shares_are_in_the_answer():
    images, scope = series(64, 0.5)
    answer = reconstruct(images, 0.5, TILTS, tilt_axis_deg=0, microscope=scope)
    assert answer.source == "network"
    assert answer.explained
    assert answer.count == 2
    assert sum(image.attention or 0.0 for image in answer.images) == pytest.approx(1)
    assert answer.to_dict()["proposed_by"] == "network"
