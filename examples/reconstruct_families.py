"""Three particles that are no cuboids, at three tilts each: family, facets, sizes.

Run it with ``python examples/reconstruct_families.py [FILE.png]``; it needs ``stemfast[viz]`` and
takes about 10 s. Writes FILE.png (a truncated octahedron), FILE-decahedron.png and FILE-plate.png.
"""

import sys
from pathlib import Path

from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast import reconstruction
from stemfast.fit.families import family_of
from stemfast.fit.turns import Turns

target = Path(sys.argv[1] if len(sys.argv) > 1 else "reconstruct_families.png")
tilts = [-40.0, 0.0, 40.0]
poses = Turns.about_axis(tilts, axis_deg=20).rotations * Rotation.from_rotvec([0.5, 0.4, 0.3])
scope = sf.Microscope(scan=sf.Scan(shape=(56, 56), pixel_size_nm=0.4, dwell_us=10))
rivals = ["truncated octahedron", "truncated decahedron", "triangular plate"]

for name, particle in (
    ("", sf.TruncatedOctahedron(edge=15, truncation=0.25)),
    ("-decahedron", sf.Decahedron(edge=10, waist=3)),
    ("-plate", family_of("triangular plate").particle((3.5, 0.8, 2.0))),
):
    images = sf.simulate(particle, poses, scope, seed=1)
    answer = sf.reconstruct(images, 0.4, tilts, tilt_axis_deg=20, microscope=scope, family=rivals)
    path = reconstruction.write_picture(target.with_name(f"{target.stem}{name}.png"), answer)
    print(f"truth: {particle}, {particle.volume:.0f} nm³\n{answer}\nwrote {path}\n", flush=True)
