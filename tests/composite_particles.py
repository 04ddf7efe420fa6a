"""Particles of several materials that more than one file of tests looks at."""

from __future__ import annotations

from scipy.spatial.transform import Rotation

import stemfast as sf

TILT = Rotation.from_euler("zyx", (20, -35, 50), degrees=True)
DENTED = sf.Cuboid((16, 15, 14), corners={5: sf.Displacement(nm=10.0)}, material="Pt")
BALLS = sf.CoreShell(core=sf.Sphere(3, material="Pd"), shell=sf.Sphere(6, material="Pt"))
PARTICLES: dict[str, sf.CoreShell | sf.Hollow] = {
    "concentric balls": BALLS,
    "cuboid in a cut cuboid": sf.CoreShell(
        core=sf.Cuboid((5, 4, 3), corners={0: sf.Truncation(0.3)}, material="Ag"),
        shell=sf.Cuboid((12, 11, 10), corners={7: sf.Truncation(0.3)}),
        offset_nm=(1, -0.5, 1),
        orientation=TILT,
    ),
    "turned ellipsoid": sf.CoreShell(
        core=sf.Ellipsoid((4, 2, 1.5), material="Cu"),
        shell=sf.Ellipsoid((7, 6, 5), material="CeO2"),
        offset_nm=(0.5, 1, -0.5),
        orientation=TILT,
    ),
    "ball in a dented cuboid": sf.CoreShell(sf.Sphere(3), DENTED, offset_nm=(-2.5, 2, -2)),
    "spiked cuboid in a dented one": sf.CoreShell(
        sf.Cuboid((4, 4, 4), corners={1: sf.Displacement(nm=-1.0)}),
        DENTED,
        offset_nm=(-2.5, 2, -2),
        orientation=TILT,
    ),
    "hollow cube": sf.Hollow(sf.Cuboid((12, 12, 12)), void=sf.Sphere(4), offset_nm=(1, 0, 0)),
    "three layers": sf.CoreShell(BALLS, sf.Octahedron(18, material="Ag"), offset_nm=(0, 0.3, 0)),
    "contaminated plate": sf.contaminated(sf.HexagonalPrism(4, 3, material="Pt"), 1.5),
    "yolk and shell": sf.CoreShell(
        core=sf.Ellipsoid((2, 1.5, 1)),
        shell=sf.Hollow(sf.Sphere(7, material="SiO2"), void=sf.Sphere(5), offset_nm=(1, 0, 0)),
        offset_nm=(2, 1, -1),
        orientation=TILT,
    ),
}
