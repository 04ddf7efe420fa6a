"""How well features are measured: against the simulator's truth, from 200 to 20,000 e/px.

Run it with ``python examples/feature_accuracy.py [PICTURE.png] [PARTICLES]``; it needs
``stemfast[io,viz]``. It prints the table of docs/features.md, of 60 particles a row, and draws what
was found over the first ones.
"""

import sys
import time

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import stemfast as sf
from stemfast import describing, units
from stemfast.describing import accuracy
from stemfast.describing.picture import draw_on

N = int(sys.argv[2]) if len(sys.argv) > 2 else 60
SCAN = sf.Scan(shape=(128, 128), pixel_size_nm=0.35)
FILM = sf.Film(thickness_nm=5.0, roughness_nm=0.5)
DOSES = (200.0, 500.0, 2000.0, 20000.0)  # electrons that arrive in a pixel
SHOWN = 12


def microscope(dose: float) -> sf.Microscope:
    beam = sf.Beam(current_pa=units.current_pa(dose, SCAN.dwell_us))
    return sf.Microscope(scan=SCAN, beam=beam, film=FILM, probe=sf.Probe(fwhm_nm=0.5))


def draw_particles(kind: str) -> list[sf.Particle]:
    """Particles of one kind, 15 to 27 nm across."""
    sizes = np.random.default_rng(5).uniform(0.8, 1.2, (N, 3))
    if kind == "cuboid":
        return [sf.Cuboid(edges=tuple(18.0 * s)) for s in sizes]
    if kind == "cut cuboid":
        cut = {0: sf.Truncation(0.35), 5: sf.Truncation(0.3)}
        return [sf.Cuboid(edges=tuple(18.0 * s), corners=cut) for s in sizes]
    if kind == "tetrahedron":
        return [sf.Tetrahedron(edge=24.0 * s[0]) for s in sizes]
    return [sf.Sphere(radius=10.0 * s[0]) for s in sizes]


def described(particles, poses, scope, clean):
    taken = sf.simulate(particles, poses, scope, seed=7, return_truth=clean)
    images = taken.truth.expected_electrons if clean else taken
    calibration = describing.Calibration.of(scope, "Au")
    return np.asarray(images), [
        describing.describe(
            image,
            SCAN.pixel_size_nm,
            calibration=calibration,
            probe_fwhm_nm=scope.probe.fwhm_nm,
        )
        for image in images
    ]


def row(name, seen, particles, poses):
    if name.startswith("sphere"):
        true_area = np.array([np.pi * p.bounding_radius**2 for p in particles])
        area = np.array([one.area_nm2 for one in seen]) / true_area - 1
        wide = np.array(
            [
                one.max_feret_nm / p.bounding_radius / 2 - 1
                for one, p in zip(seen, particles, strict=True)
            ]
        )
        volume = np.array(
            [one.volume_nm3 / p.volume - 1 for one, p in zip(seen, particles, strict=True)]
        )
        right = np.mean([one.is_round for one in seen])
        return (
            f"| {name} | – | – | {100 * right:.0f} | {percent(area.mean(), area.std())} | "
            f"{percent(wide.mean(), wide.std())} | {percent(volume.mean(), volume.std())} "
            "| – | – | – |"
        )
    s = accuracy.score(
        [accuracy.compare(*each) for each in zip(seen, particles, poses, strict=True)]
    )
    return (
        f"| {name} | {s.vertex_median_px:.2f} | {s.vertex_90_px:.2f} | "
        f"{100 * s.vertices_right:.0f} | {percent(*s.area)} | {percent(*s.max_feret)} | "
        f"{percent(*s.volume)} | {100 * s.recall:.0f} | {100 * s.precision:.0f} | "
        f"{s.interior_median_px:.2f} |"
    )


def percent(mean, deviation):
    return f"{100 * mean:+.2f} ± {100 * deviation:.2f}"


def draw(path, panels):
    figure = Figure(figsize=(12, 9.4))
    FigureCanvasAgg(figure)
    for k, (title, image, one) in enumerate(panels):
        axes = figure.add_subplot(3, 4, k + 1)
        axes.imshow(image, cmap="gray")
        draw_on(axes, one, image.shape)
        axes.set_title(title, fontsize=9)
        low, high = one.outline_nm.min(axis=0), one.outline_nm.max(axis=0)
        middle = 0.5 * (low + high) / SCAN.pixel_size_nm + 63.5
        reach = 0.5 * float((high - low).max()) / SCAN.pixel_size_nm + 5
        axes.set_xlim(middle[0] - reach, middle[0] + reach)
        axes.set_ylim(middle[1] + reach, middle[1] - reach)
        axes.set_axis_off()
    figure.tight_layout()
    figure.savefig(path, dpi=90)


print(
    "| particle, e⁻/px | corner, median [px] | corner, 90 % [px] | number right [%] | area [%] | "
    "largest Feret [%] | volume [%] | interior recall [%] | precision [%] | error [px] |"
)
print("|---|---|---|---|---|---|---|---|---|---|")
panels, spent, done = [], 0.0, 0
for kind in ("cuboid", "cut cuboid", "tetrahedron", "sphere"):
    particles = draw_particles(kind)
    poses = sf.orientation.random(N, seed=11)
    for dose in (*DOSES, None):
        before = time.process_time()
        scope = microscope(2000.0 if dose is None else dose)
        images, seen = described(particles, poses, scope, clean=dose is None)
        spent, done = spent + time.process_time() - before, done + N
        name = f"{kind}, clean" if dose is None else f"{kind}, {dose:,.0f}"
        print(row(name, seen, particles, poses), flush=True)
        if dose in (500.0, 2000.0) and kind != "sphere":
            panels += [(f"{kind}, {dose:,.0f} e⁻/px", images[k], seen[k]) for k in (0, 1)]
print(f"\n{done} images, {1000 * spent / done:.0f} ms of one core each, simulation included")
path = sys.argv[1] if len(sys.argv) > 1 else "feature_accuracy.png"
draw(path, panels[:SHOWN])
print(f"wrote {path}")
