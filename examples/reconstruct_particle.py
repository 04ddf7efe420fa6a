"""Three tilt series: a simulated particle, one measured atom by atom, and one that does not fit.

Run it with ``python examples/reconstruct_particle.py [FILE.png]``; it needs ``stemfast[viz,io]``
and takes about 20 s. The second and third need the folder of real data, ``../shared/data``, and are
left out without it. Writes FILE.png, FILE-atoms.png and FILE-needle.png.
"""

import sys
from pathlib import Path

from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast import reconstruction
from stemfast.fit.turns import Turns

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
target = Path(sys.argv[1] if len(sys.argv) > 1 else "reconstruct_particle.png")


def show(answer: reconstruction.Reconstruction, name: str) -> None:
    path = reconstruction.write_picture(target.with_name(f"{target.stem}{name}.png"), answer)
    print(f"{answer}\nwrote {path}\n", flush=True)


# A cuboid with two cut corners, at known tilts and three doses: nothing else is told.
particle = sf.Cuboid(edges=(15, 12, 10), corners={7: sf.Truncation(0.4), 2: sf.Truncation(0.3)})
print(f"truth: {particle}, {particle.volume:.0f} nm³")
tilts = [-45.0, -15.0, 15.0, 45.0]
poses = Turns.about_axis(tilts, axis_deg=20).rotations * Rotation.from_rotvec([0.5, 0.4, 0.3])
microscopes = [
    sf.Microscope(scan=sf.Scan(shape=(64, 64), pixel_size_nm=0.4, dwell_us=dwell))
    for dwell in (5, 10, 10, 20)
]
images = sf.simulate(particle, poses, microscopes, seed=1)
show(sf.reconstruct(images, 0.4, tilts, tilt_axis_deg=20), "")

# The measured atoms of a Pd particle in a Pt shell, through the whole microscope. Its shape, a
# truncated octahedron, is a cube whose eight cuts meet; its core scatters less than its shell.
if (file := DATA / "pdpt_truncated_octahedron.xyz").is_file():
    atoms = reconstruction.read_xyz(file)
    print(f"truth: {len(atoms)} atoms, hull of {atoms.hull_volume_nm3():.0f} nm³")
    scope = sf.Microscope(
        scan=sf.Scan(shape=(64, 64), pixel_size_nm=0.16, dwell_us=20), probe=sf.Probe(fwhm_nm=0.3)
    )
    poses = Turns.about_axis(tilts).rotations * Rotation.from_rotvec([0.3, 0.2, 0.1])
    images = atoms.images(poses, scope, seed=1)
    show(sf.reconstruct(images, 0.16, tilts, tilt_axis_deg=0, material="Pt"), "-atoms")

# A real tilt series of a layered needle: no cuboid.
if (file := DATA / "haadf_tilt_series_needle.dm3").is_file():
    series = reconstruction.read_series([file], views=4)
    answer = sf.reconstruct(
        series.images, series.pixel_size_nm.tolist(), series.tilts_deg, names=series.names
    )
    show(answer, "-needle")
