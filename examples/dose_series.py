"""One particle at doses from 1 to 1000 electrons per pixel: when does its missing corner show?

Run it with ``python examples/dose_series.py [FILE.png]``; it needs ``stemfast[viz]``.
"""

import sys

from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast import plots, units

particle = sf.Cuboid(edges=(20, 20, 20), corners={7: sf.Truncation(0.4)})
pose = Rotation.from_euler("zx", [15, -30], degrees=True)
doses = (1, 10, 100, 1000)
scan = sf.Scan(shape=(128, 128), pixel_size_nm=0.35, dwell_us=4.0)
microscopes = [
    sf.Microscope(scan=scan, beam=sf.Beam(current_pa=units.current_pa(dose, scan.dwell_us)))
    for dose in doses
]
images = sf.simulate(particle, pose, microscopes, seed=1)
path = plots.gallery(
    list(images),
    [f"{dose} e⁻/px" for dose in doses],
    sys.argv[1] if len(sys.argv) > 1 else "dose_series.png",
    pixel_size_nm=scan.pixel_size_nm,
)
print(f"wrote {path}")
