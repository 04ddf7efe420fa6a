"""Every wrong argument of the simulator gets a message that names it, before any work starts."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast import _core

CUBE = sf.Cuboid((10, 10, 10))
POSES = Rotation.random(3, rng=1)
FIELD = (128, 128)


def read_only():
    out = np.empty((3, *FIELD), np.float32)
    out.flags.writeable = False
    return out


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"particles": "cube"},
            TypeError,
            "particles must be a Particle, a Specimen or a sequence",
        ),
        ({"particles": []}, ValueError, "particles is empty"),
        (
            {"particles": [CUBE, 3]},
            TypeError,
            r"particles\[1\] must be a Particle or Specimen, got int",
        ),
        ({"orientations": [0, 0, 0, 1]}, TypeError, "orientations must be a scipy.*got list"),
        ({"orientations": Rotation.random(0)}, ValueError, "orientations is empty"),
        (
            {"particles": [CUBE, CUBE]},
            ValueError,
            r"different numbers of images \(particles: 2, orien",
        ),
        ({"scan": 128}, TypeError, "scan must be a Scan, got int"),
        (
            {"positions_nm": (1, 2)},
            ValueError,
            r"positions_nm has shape \(2,\), expected \(3,\) or",
        ),
        (
            {"positions_nm": (1, 2, np.nan)},
            ValueError,
            "positions_nm holds numbers that are not finite",
        ),
        ({"positions_nm": "here"}, TypeError, "positions_nm must hold numbers"),
        ({"positions_nm": np.zeros((5, 3))}, ValueError, "orientations: 3, positions_nm: 5"),
        (
            {"spin_rad_s": (np.inf, 0, 0)},
            ValueError,
            "spin_rad_s holds numbers that are not finite",
        ),
        ({"engine": "fast"}, ValueError, "engine must be 'exact' or 'voxel', got 'fast'"),
        ({"oversample": 0}, ValueError, "oversample must be from 1 to 64, got 0"),
        ({"oversample": 1.5}, TypeError, "oversample must be a whole number, got 1.5"),
        ({"n_threads": -1}, ValueError, "n_threads must be from 0 to 4096, got -1"),
        ({"n_threads": True}, TypeError, "n_threads must be a whole number, got True"),
        ({"out": [1, 2]}, TypeError, "out must be a NumPy array, got list"),
        (
            {"out": np.empty((2, *FIELD), np.float32)},
            ValueError,
            r"out has shape \(2, 128, 128\), exp",
        ),
        ({"out": np.empty((3, *FIELD))}, ValueError, "out has dtype float64, expected float32"),
        (
            {"out": np.empty((3, 128, 256), np.float32)[:, :, ::2]},
            ValueError,
            "out must be C-contiguous",
        ),
        ({"out": read_only()}, ValueError, "out is read-only"),
    ],
)
def test_thickness_names_the_argument(arguments, error, message):
    with pytest.raises(error, match=message):
        sf.thickness(**{"particles": CUBE, "orientations": POSES, **arguments})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"seed": -1}, ValueError, "seed must be from 0 to 18446744073709551615, got -1"),
        ({"seed": 0.5}, TypeError, "seed must be a whole number, got 0.5"),
        ({"first_index": -1}, ValueError, "first_index must be from 0"),
        ({"microscope": 200}, TypeError, "microscope must be a Microscope or a sequence"),
        ({"microscope": []}, ValueError, "microscope is empty"),
        ({"microscope": [sf.Microscope(), 1]}, TypeError, r"microscope\[1\] must be a Microscope"),
        (
            {"microscope": [sf.Microscope(), sf.Microscope(scan=sf.Scan(shape=(8, 8)))]},
            ValueError,
            r"microscope\[1\] has scan.shape \(8, 8\), the first has \(128, 128\)",
        ),
        (
            {"microscope": [sf.Microscope(), sf.Microscope(detector=sf.Detector(bits=8))]},
            ValueError,
            r"microscope\[1\] has detector.bits 8, the first has 16",
        ),
        (
            {"microscope": sf.Microscope(beam=sf.Beam(current_pa=1e9))},
            ValueError,
            "microscope sends 2.5e.10 electrons to each pixel, expected at most 2.30",
        ),
        ({"microscope": [sf.Microscope()] * 2}, ValueError, "orientations: 3, .*microscope: 2"),
        (
            {"out": np.empty((3, *FIELD), np.uint8)},
            ValueError,
            "out has dtype uint8, expected uint16",
        ),
    ],
)
def test_simulate_names_the_argument(arguments, error, message):
    with pytest.raises(error, match=message):
        sf.simulate(**{"particles": CUBE, "orientations": POSES, "seed": 1, **arguments})


def test_a_seed_has_to_be_given():
    with pytest.raises(TypeError, match="seed"):
        sf.simulate(CUBE)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"particle": 3}, TypeError, "particle must be a Particle or Specimen, got int"),
        (
            {"orientation": POSES},
            ValueError,
            "orientation has length 3, expected a single rotation",
        ),
        ({"voxel_size_nm": 0}, ValueError, "voxel_size_nm must be larger than 0, got 0"),
        ({"voxel_size_nm": np.nan}, ValueError, "voxel_size_nm must be finite, got nan"),
        (
            {"voxel_size_nm": "small"},
            TypeError,
            "voxel_size_nm must be a number, got 'small'",
        ),
        ({"shape": (3, 3)}, ValueError, r"shape must be three whole numbers \(nz, ny, nx\)"),
        ({"shape": (3, 0, 3)}, ValueError, r"shape\[1\] must be from 1"),
        ({"out": np.zeros((2, 2, 2), np.uint8)}, ValueError, r"out has shape \(2, 2, 2\)"),
        ({"voxel_size_nm": 1e-4}, MemoryError, r"needs 1,000,000\.0 GB, but .* GB are free"),
    ],
)
def test_voxelize_names_the_argument(arguments, error, message):
    with pytest.raises(error, match=message):
        sf.voxelize(**{"particle": CUBE, "voxel_size_nm": 0.5, **arguments})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"volume": np.ones((3, 3))},
            ValueError,
            r"volume has shape \(3, 3\), expected \(nz, ny, nx\)",
        ),
        ({"volume": np.ones((0, 3, 3))}, ValueError, r"volume has shape \(0, 3, 3\)"),
        (
            {"volume": np.full((2, 2, 2), np.nan)},
            ValueError,
            "volume holds numbers that are not finite",
        ),
        ({"volume": "dense"}, TypeError, "volume must hold numbers, got str"),
        ({"voxel_size_nm": -1}, ValueError, "voxel_size_nm must be larger than 0, got -1"),
        ({"shape": (4, 5)}, ValueError, "shape must be two even or two odd numbers"),
        ({"shape": 4}, ValueError, "shape must be two whole numbers"),
        ({"orientations": 1}, TypeError, "orientations must be a scipy"),
    ],
)
def test_project_volume_names_the_argument(arguments, error, message):
    with pytest.raises(error, match=message):
        sf.project_volume(**{"volume": np.ones((3, 3, 3)), "voxel_size_nm": 0.5, **arguments})


def test_a_field_too_large_for_memory_says_what_it_needs():
    huge = sf.Scan(shape=(1_000_000, 1_000_000))
    with pytest.raises(MemoryError, match=r"needs 4,000\.0 GB, but .* GB are free"):
        sf.thickness(CUBE, scan=huge)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([], np.zeros((0, 3))), ValueError, "particles is empty"),
        (([CUBE, 4], np.zeros((2, 3))), TypeError, r"particles\[1\] must be a Particle, got int"),
        (
            ([CUBE, CUBE], np.zeros((3, 3))),
            ValueError,
            "positions_nm has 3 rows, expected one for each",
        ),
        (([CUBE], [(0, 0, 0)], POSES), ValueError, "orientations has length 3, expected 1 or one"),
    ],
)
def test_specimen_names_the_argument(arguments, error, message):
    with pytest.raises(error, match=message):
        sf.Specimen(*arguments)


def test_the_core_refuses_tables_that_do_not_fit_together():
    tables = {
        "kind": np.zeros(1, np.uint8),
        "plane_offset": np.array([0, 6]),
        "planes": np.zeros((6, 4)),
        "vertex_offset": np.array([0, 8]),
        "vertices": np.zeros((8, 3)),
        "triangle_offset": np.array([0, 0]),
        "triangles": np.zeros((0, 3), np.int32),
        "image_offset": np.array([0, 1]),
        "shape": np.zeros(1, np.int32),
        "position": np.zeros((1, 3)),
        "orientation": np.zeros((1, 4)),
        "weight": np.ones(1),
    }
    assert _core.Scenes(**tables).images == 1
    for change, message in [
        ({"shape": np.ones(1, np.int32)}, "shape has index 1 of 1 shapes"),
        ({"plane_offset": np.array([0, 7])}, "plane_offset must rise from 0 to 6"),
        ({"planes": np.zeros((6, 3))}, r"planes has shape \(6, 3\), expected \(any, 4\)"),
        ({"kind": np.full(1, 9, np.uint8)}, "shape 0 is of kind 9"),
        ({"kind": np.ones(1, np.uint8)}, "an ellipsoid has three planes and one vertex"),
        (
            {
                "kind": np.full(1, 2, np.uint8),
                "triangles": np.full((1, 3), 99, np.int32),
                "triangle_offset": np.array([0, 1]),
            },
            "triangle with vertex 99 of 8",
        ),
    ]:
        with pytest.raises(ValueError, match=message):
            _core.Scenes(**{**tables, **change})


@pytest.mark.parametrize(
    "call", ["thickness(c, r, n_threads=2)", "simulate(c, r, seed=1, n_threads=1)"]
)
def test_ctrl_c_stops_a_long_batch(call):
    # Only that it stops and how: within a second is for a machine with nothing else to do.
    program = (
        "import stemfast as sf, sys\n"
        "c, r = sf.Cuboid((20, 20, 20)), sf.orientation.random(20_000, seed=1)\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        f"    sf.{call}\n"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "ready\n"
    time.sleep(0.5)
    run.send_signal(signal.SIGINT)
    _, stderr = run.communicate(timeout=60)
    assert run.returncode != 0
    assert "KeyboardInterrupt" in stderr
