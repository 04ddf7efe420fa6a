"""Bias of sizes: areas that ``sf.find`` measures against the exact area of the projection.

Run it with ``python examples/size_accuracy.py``; it needs ``stemfast[io]`` and a minute. It prints
the tables of docs/find.md: gold in random poses, and lying on a face, on 5 nm of carbon, nine
particles an image.
"""

import math

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

import stemfast as sf

IMAGES, FIELD_NM = 4, 168.0
SHAPES = {
    "cube, 20 nm": sf.Cuboid(edges=(20, 20, 20)),
    "cuboid, 24 × 18 × 15 nm": sf.Cuboid(edges=(24, 18, 15)),
    "tetrahedron, 26 nm": sf.Tetrahedron(edge=26),
    "sphere, 16 nm": sf.Sphere(radius=8),
    "octahedron, 17 nm": sf.Octahedron(edge=17),
    "truncated octahedron, 24 nm": sf.TruncatedOctahedron(edge=24),
    "icosahedron, 10 nm": sf.Icosahedron(edge=10),
    "decahedron, 15 nm": sf.Decahedron(edge=15),
    "hexagonal prism, 10 × 14 nm": sf.HexagonalPrism(edge=10, height=14),
}
TRIANGLE = [(x, y, z) for z in (-3.0, 3.0) for x, y in ((-13, -7.5), (13, -7.5), (0, 15))]
LYING = {name: SHAPES[name] for name in list(SHAPES)[:2]} | {
    "hexagonal plate, 10 × 6 nm": sf.HexagonalPrism(edge=10, height=6),
    "triangular plate, 26 × 6 nm": sf.Polyhedron.from_vertices(TRIANGLE),
}
CONDITIONS = {"standard": (0.8, 1.2, 1200.0), "finer": (0.5, 0.9, 1200.0), "dim": (0.8, 1.6, 600.0)}


def microscope(pixel_nm: float, probe_nm: float, electrons_px: float) -> sf.Microscope:
    pixels = round(FIELD_NM / pixel_nm)
    one = sf.Microscope(
        scan=sf.Scan(shape=(pixels, pixels), pixel_size_nm=pixel_nm, dwell_us=4),
        probe=sf.Probe(fwhm_nm=probe_nm),
        film=sf.Film(thickness_nm=5),
    )
    more = electrons_px / one.electrons_per_pixel
    return one.replace(beam=one.beam.replace(current_pa=one.beam.current_pa * more))


def true_area_nm2(particle: sf.Particle, pose: Rotation) -> float:
    if isinstance(particle, sf.Sphere):
        return math.pi * particle.radius**2
    return float(ConvexHull(pose.apply(np.array(particle.vertices))[:, :2]).volume)


def errors(
    particle: sf.Particle, instrument: sf.Microscope, lying: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Relative errors of the areas, and the same in units of their error bars."""
    size = instrument.scan.pixel_size_nm
    apart = 0.31 * FIELD_NM
    off, in_bars = [], []
    for seed in range(IMAGES):
        places = np.array([(x, y, 0.0) for y in (-apart, 0, apart) for x in (-apart, 0, apart)])
        places[:, :2] += np.random.default_rng(seed).uniform(-2, 2, (9, 2))
        poses = Rotation.random(9, rng=seed)
        if lying:
            turns = np.random.default_rng(seed + 9).uniform(0, 360, (9, 1))
            poses = Rotation.from_euler("z", turns, degrees=True)
        scene = sf.Specimen(particles=[particle] * 9, positions_nm=places, orientations=poses)
        image = np.asarray(sf.simulate(scene, None, instrument, seed=seed))
        found = sf.find(image, size, "bright", "classical")
        at = np.array([one.centroid for one in found])
        for place, pose in zip(places, poses, strict=True):
            centre = 0.5 * (instrument.scan.shape[0] - 1) + place[1::-1] / size
            distance = np.hypot(*(at - centre).T)
            one = found[int(np.argmin(distance))]
            if distance.min() < 5.0:
                true = true_area_nm2(particle, pose) / size**2
                off.append(one.area / true - 1.0)
                in_bars.append((one.area - true) / one.area_sd)
    return np.array(off), np.array(in_bars)


def table(shapes: dict[str, sf.Particle], *, lying: bool) -> None:
    """Print the rows of these shapes under all conditions."""
    print("| particle | conditions | n | diameter [%] | area [%] | within 1 bar | within 2 bars |")
    print("|---|---|---|---|---|---|---|")
    for condition, numbers in CONDITIONS.items():
        for name, particle in shapes.items():
            area, bars = errors(particle, microscope(*numbers), lying)
            diameter = np.sqrt(1.0 + area) - 1.0
            print(
                f"| {name} | {condition} | {len(area)} "
                f"| {100 * diameter.mean():+.2f} ± {100 * diameter.std():.2f} "
                f"| {100 * area.mean():+.2f} ± {100 * area.std():.2f} "
                f"| {np.mean(np.abs(bars) < 1):.2f} | {np.mean(np.abs(bars) < 2):.2f} |",
                flush=True,
            )


print("In random poses:\n")
table(SHAPES, lying=False)
print("\nLying on a face:\n")
table(LYING, lying=True)
