"""Images of cuboids with cut corners that more than one file of tests fits."""

from __future__ import annotations

import numpy as np

import stemfast as sf
from stemfast import units
from stemfast.fit import CutCuboid

SCAN = sf.Scan(shape=(96, 96), pixel_size_nm=0.25)


def scope(electrons: float = 2000.0, **parts: object) -> sf.Microscope:
    beam = sf.Beam(current_pa=units.current_pa(electrons, SCAN.dwell_us))
    given = {"scan": SCAN, "beam": beam, "probe": sf.Probe(fwhm_nm=0.6)}
    return sf.Microscope(**(given | parts))


def image_of(shape: CutCuboid, microscope: sf.Microscope, index: int = 0) -> np.ndarray:
    place = np.append(shape.position_nm, 0.0)
    return sf.simulate(
        shape.particle(),
        shape.orientation(),
        microscope,
        seed=5,
        first_index=index,
        positions_nm=place,
    )
