"""A particle that turns while it is scanned: its thickness, its derivatives, and fits to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast.fit.cuboid.equivalents import mirrored
from stemfast.fit.cuboid.shape import CutCuboid
from stemfast.fit.cuboid.spinning import (
    row_turns,
    spinning_thickness,
    spinning_thickness_and_jacobian,
)
from stemfast.fit.cuboid.thickness import thickness_and_jacobian
from stemfast.fit.image.likelihood import observe
from stemfast.fit.refine import refine

SCAN = sf.Scan(shape=(70, 64), pixel_size_nm=0.35, dwell_us=5.0)
SPIN_DEG = np.array([25.0, -30.0, 14.0])
FRAME_S = 1e-6 * SCAN.shape[0] * (SCAN.shape[1] * SCAN.dwell_us + SCAN.flyback_us)


def particle(seed: int) -> CutCuboid:
    rng = np.random.default_rng(seed)
    cuts = np.where(rng.random(8) < 0.5, rng.uniform(0.2, 0.45, 8), 0.0)
    pose = Rotation.random(rng=rng).as_quat()
    return CutCuboid(np.array([15.0, 12.0, 9.5]), cuts, pose, rng.uniform(-1, 1, 2))


def grid() -> tuple[np.ndarray, np.ndarray]:
    rows, columns = SCAN.shape
    return np.meshgrid(
        (np.arange(columns) - (columns - 1) / 2) * 0.35, (np.arange(rows) - (rows - 1) / 2) * 0.35
    )


@pytest.mark.parametrize("seed", range(4))
def test_it_is_what_the_simulation_sees(seed):
    shape = particle(seed)
    turned = row_turns(SPIN_DEG, SCAN.shape[0])
    here = spinning_thickness(shape, turned, *grid())
    there = sf.thickness(
        shape.particle(),
        shape.orientation(),
        scan=SCAN,
        positions_nm=(*shape.position_nm, 0),
        spin_rad_s=np.radians(SPIN_DEG) / FRAME_S,
    )
    np.testing.assert_allclose(here, there, atol=2e-3)


def test_at_rest_it_is_the_thickness_at_rest():
    shape, (x, y) = particle(7), grid()
    still = row_turns([0, 0, 0], SCAN.shape[0])
    t, jacobian = spinning_thickness_and_jacobian(shape, still, x, y)
    expected, slopes = thickness_and_jacobian(shape, x, y)
    np.testing.assert_allclose(t, expected, atol=1e-9)
    np.testing.assert_allclose(jacobian, slopes, rtol=1e-4, atol=2e-3)


def test_its_derivatives_are_differences():
    shape, (x, y) = particle(2), grid()
    turned, step = row_turns(SPIN_DEG, SCAN.shape[0]), 1e-5
    _, jacobian = spinning_thickness_and_jacobian(shape, turned, x, y)
    cut = np.flatnonzero(shape.cuts > 0)
    for k in range(jacobian.shape[2]):
        nudge = np.eye(jacobian.shape[2])[k] * step
        cuts = np.zeros(8)
        cuts[cut] = nudge[8:]
        either = [
            spinning_thickness(
                shape.moved(
                    sign * nudge[:3],
                    shape.position_nm + sign * nudge[3:5],
                    shape.edges_nm + sign * nudge[5:8],
                    shape.cuts + sign * cuts,
                ),
                turned,
                x,
                y,
            )
            for sign in (1, -1)
        ]
        slope = (either[0] - either[1]) / (2 * step)
        # But where a plane takes over from another within the step.
        off = np.abs(slope - jacobian[:, :, k]) > 1e-2 + 1e-3 * np.abs(slope)
        assert off.mean() < 0.005
        assert np.abs(slope).max() > 0.1


def test_rows_of_a_part_are_those_of_the_frame():
    whole = row_turns(SPIN_DEG, 90)
    np.testing.assert_allclose(row_turns(SPIN_DEG, 20, of=90, first=31), whole[31:51], atol=1e-12)


def test_a_fit_finds_a_spinning_particle_and_its_hand():
    shape = replace(particle(5), cuts=np.where(np.arange(8) < 4, [0.4, 0.3, 0, 0.35] * 2, 0.0))
    scope = sf.Microscope(scan=SCAN)
    image = sf.simulate(
        shape.particle(),
        shape.orientation(),
        scope,
        positions_nm=(*shape.position_nm, 0),
        spin_rad_s=np.radians(SPIN_DEG) / FRAME_S,
        seed=4,
    )
    around = replace(shape, edges_nm=1.2 * shape.edges_nm)
    turned = row_turns(SPIN_DEG, SCAN.shape[0])
    seen = observe(image, scope, around, turned=turned)
    turn, edges_nm = np.array([0.05, -0.04, 0.03]), 1.03 * shape.edges_nm
    near = shape.moved(turn, shape.position_nm, edges_nm, shape.cuts)
    fit = refine([seen], [near])
    assert fit.explained
    assert np.abs((fit.shape.edges_nm - shape.edges_nm) / fit.edges_sd_nm).max() < 4
    twin = refine([seen], [mirrored(fit.shape)])
    still = refine([observe(image, scope, around)], [near])
    assert twin.log_likelihood < fit.log_likelihood - 50
    assert still.log_likelihood < fit.log_likelihood - 50


def test_turns_are_one_for_each_row():
    with pytest.raises(ValueError, match=r"turned has shape \(3, 3, 3\), expected \(70, 3, 3\)"):
        observe(
            np.zeros(SCAN.shape), sf.Microscope(scan=SCAN), particle(1), turned=np.zeros((3, 3, 3))
        )
