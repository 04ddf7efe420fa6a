"""A particle that turns while it is scanned: `reconstruct` and the command read its hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast.reconstruction.network import _spins
from stemfast.reconstruction.prepare import prepare
from stemfast.simulation.motion import frame_spins
from stemfast.symmetry import cuboid_symmetry

SCAN = sf.Scan(shape=(107, 100), pixel_size_nm=0.3, dwell_us=10)
SPIN = np.array([20.0, 30.0, 5.0])  # degrees during the frame
CHIRAL = {corner: sf.Truncation(cut) for corner, cut in ((3, 0.4), (6, 0.35), (7, 0.4))}
PARTICLE = sf.Cuboid(edges=(16, 13, 10), corners=CHIRAL)


@pytest.fixture(scope="module")
def image():
    frame_s = 1e-6 * SCAN.shape[0] * (SCAN.shape[1] * SCAN.dwell_us + SCAN.flyback_us)
    return sf.simulate(
        PARTICLE,
        Rotation.from_rotvec([0.5, 0.4, 0.3]),
        sf.Microscope(scan=SCAN),
        positions_nm=(
            1,
            -4,
            0,
        ),  # in the upper part of the frame, and pose and spin are of its middle
        spin_rad_s=np.radians(SPIN) / frame_s,
        seed=1,
    )


@pytest.fixture(scope="module")
def found(image):
    return {
        name: sf.reconstruct(image, SCAN.pixel_size_nm, spin=spin, family="cuboid")
        for name, spin in (("right", SPIN), ("reversed", -SPIN), ("none", None))
    }


def test_one_image_tells_the_hand_where_the_spin_is_known(found):
    answer = found["right"]
    assert answer.explained
    assert answer.count == 3
    assert answer.handedness == "right-handed"
    assert (
        answer.hand_probability > 0.9
    )  # sets with another corner, of the other hand, have the rest
    assert np.abs((answer.edges_nm - (16, 13, 10)) / answer.edges_sd_nm).max() < 3
    own, symmetry = (
        sum(1 << corner for corner in CHIRAL),
        cuboid_symmetry((16, 13, 10), tolerance_nm=0.5),
    )
    there = sum(1 << corner for corner in answer.particle.corners)
    assert symmetry.class_table[there] == symmetry.class_table[own]


def test_a_wrong_spin_or_none_does_not_explain_it(found):
    assert not found["reversed"].explained
    assert not found["none"].explained
    assert "one image" in found["none"].handedness


def test_the_mirror_image_with_the_spin_turned_round_is_the_other_hand(image):
    """Mirrored along the beam, it looks the same if it spins the other way about x and y."""
    answer = sf.reconstruct(image, SCAN.pixel_size_nm, spin=SPIN * (-1, -1, 1))
    assert answer.explained
    assert answer.handedness == "left-handed"


def test_the_command_takes_the_spin(image, tmp_path, stemfast):
    np.save(tmp_path / "spun.npy", image)
    told = ("reconstruct", "spun.npy", "--pixel-size-nm", "0.3", "--spin", "20,30,5")
    result = stemfast(*told, "--out", "answer")
    assert result.exit_code == 0, result.output
    assert "right-handed" in result.output
    assert "assumed: the particle turned by 36° during the scan, as told" in result.output
    answer = json.loads((tmp_path / "answer" / "reconstruct.json").read_text())
    assert answer["explained"]


@pytest.mark.parametrize(
    ("spin", "words"),
    [
        ("20,30", "--spin is '20,30', expected three numbers such as 0,35,0"),
        ("fast", "--spin is 'fast', expected three numbers"),
        ("0,400,0", "spin of image 0 turns by 400 degrees during the frame, expected at most 180"),
        ("0,nan,0", "spin of image 0 is [0.0, nan, 0.0], expected 3 numbers"),
    ],
)
def test_bad_spins_are_refused(image, tmp_path, stemfast, spin, words):
    np.save(tmp_path / "spun.npy", image)
    result = stemfast("reconstruct", "spun.npy", "--pixel-size-nm", "0.3", "--spin", spin)
    assert result.exit_code == 2
    assert words in result.output


def test_a_part_of_the_frame_turns_like_the_whole(image):
    view = prepare("image", image, SCAN.pixel_size_nm)
    assert view.shape[0] < SCAN.shape[0]
    turned = view.turned(SPIN, SCAN.shape[0])
    first, last = (Rotation.from_matrix(turned[row]).as_rotvec() for row in (0, -1))
    rows = view.shape[0]
    np.testing.assert_allclose(
        np.degrees(last - first), SPIN * (rows - 1) / SCAN.shape[0], atol=1e-9
    )
    middle = 0.5 * (np.degrees(first) + np.degrees(last))
    np.testing.assert_allclose(
        middle, SPIN * view.middle_nm[1] / (SCAN.pixel_size_nm * SCAN.shape[0]), atol=1e-9
    )


def test_the_network_is_told_the_spin_of_what_it_is_shown(image):
    class Network:
        image_shape = (128, 128)
        knows_spin = True

    view = prepare("image", image, SCAN.pixel_size_nm)
    shown = _spins([view, view], [SPIN / 128, None], Network(), scale_nm=0.6)
    np.testing.assert_allclose(shown[0], 2 * SPIN)
    assert shown[1] is None
    assert _spins([view], [SPIN / 128], Network(), scale_nm=6.0) == [None]  # more than a half turn
    Network.knows_spin = False
    assert _spins([view], [SPIN / 128], Network(), scale_nm=0.6) is None


def test_spins_are_one_for_all_or_one_for_each():
    assert [one.tolist() for one in frame_spins([0, 35, 0], 2)] == [[0, 35, 0]] * 2
    assert frame_spins(None, 2) == [None, None]
    with pytest.raises(ValueError, match="spin holds 3 vectors, expected 3 numbers, or 2 x 3"):
        frame_spins(np.zeros((3, 3)), 2)
