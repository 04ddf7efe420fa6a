"""Handedness of simulated cuboids, told by `stemfast classify FOLDER --tilt-axis-deg 90`.

    python examples/hands_of_cuboids.py [SERIES [PIXEL_NM [DWELL_US]]]

Prints the table of docs/populations.md: tilt series of 12 gold cuboids each with three corners
cut, 70 % of one hand, at heights that differ by 10 nm (one standard deviation), on 5 nm of carbon
and in front of carbon spheres, read by the command and compared with the truth. It takes some
minutes.
"""

import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast.image import Image
from stemfast.orientation import random

SERIES, PIXEL_NM, DWELL_US = map(float, [*sys.argv[1:4], *("2", "0.35", "16")[len(sys.argv) - 1 :]])
COLUMNS, ROWS, CELL_NM = 4, 3, 38.0
CARBON_NM, HEIGHT_NM, NEAR_NM = 45.0, 10.0, 6.0
RIGHT_SHARE = 0.7
SCOPE = sf.Microscope(
    scan=sf.Scan(
        shape=(round((ROWS + 1) * CELL_NM / PIXEL_NM), round((COLUMNS + 1) * CELL_NM / PIXEL_NM)),
        pixel_size_nm=PIXEL_NM,
        dwell_us=DWELL_US,
    ),
    beam=sf.Beam(current_pa=20),
    probe=sf.Probe(fwhm_nm=0.6),
    film=sf.Film(thickness_nm=5.0, roughness_nm=0.3),
)
#: Corners whose cuts make a right-handed cuboid; the mirror image has each across x.
CORNERS = (3, 6, 7)


def cuboid(rng: np.random.Generator, *, right: bool) -> sf.Cuboid:
    """A gold cuboid of three unequal edges with three cut corners."""
    edges = rng.uniform(13.0, 15.0) * np.array([1.2, 1.0, 0.8])
    cuts = rng.uniform(0.3, 0.45, 3)
    corners = {
        c if right else c ^ 1: sf.Truncation(float(x)) for c, x in zip(CORNERS, cuts, strict=True)
    }
    return sf.Cuboid(edges=tuple(edges.tolist()), corners=corners, material="Au")


def series(seed: int, tilts: list[float], *, carbon: bool) -> tuple[np.ndarray, np.ndarray, list]:
    """Images of a tilt series, the places of its cuboids untilted [nm], and their hands."""
    rng = np.random.default_rng(seed)
    rights = [bool(one) for one in rng.random(COLUMNS * ROWS) < RIGHT_SHARE]
    bodies: list[sf.Particle] = [cuboid(rng, right=right) for right in rights]
    down, across = np.divmod(np.arange(len(bodies)), COLUMNS)
    places = np.zeros((len(bodies), 3))
    places[:, 0] = (across - 0.5 * (COLUMNS - 1)) * CELL_NM
    places[:, 1] = (down - 0.5 * (ROWS - 1)) * CELL_NM
    places[:, :2] += rng.uniform(-3.0, 3.0, (len(bodies), 2))
    places[:, 2] = rng.normal(0.0, HEIGHT_NM, len(bodies))
    poses, positions = random(len(bodies), seed=seed), places
    if carbon:
        extent = 0.5 * CELL_NM * np.array([COLUMNS, ROWS])
        behind = np.full((16, 3), CARBON_NM + HEIGHT_NM)
        behind[:, :2] = rng.uniform(-extent, extent, (16, 2))
        bodies += [sf.Sphere(0.5 * CARBON_NM, material="C")] * len(behind)
        positions = np.concatenate([places, behind])
        poses = Rotation.concatenate([poses, Rotation.identity(len(behind))])
    specimen = sf.Specimen(particles=bodies, positions_nm=positions, orientations=poses)
    turns = Rotation.from_euler("y", [[tilt] for tilt in tilts], degrees=True)
    images = sf.simulate(specimen, turns, SCOPE, seed=seed)
    hands = ["right-handed" if right else "left-handed" for right in rights]
    least = turns[int(np.argmin(np.abs(tilts)))]
    return np.asarray(images), least.apply(places)[:, :2], hands


HEADS = ("behind", "tilts", "cuboids", "read", "told", "right", "excess", "in truth", "s each")
print(f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}")
for background in ("film", "carbon"):
    for tilts in ([-20.0, 20.0], [-30.0, -10.0, 10.0, 30.0]):
        with tempfile.TemporaryDirectory() as temporary:
            folder, out = Path(temporary) / background, Path(temporary) / "results"
            folder.mkdir()
            truth = {}
            for k in range(int(SERIES)):
                images, places, hands = series(k, tilts, carbon=background == "carbon")
                Image(images, PIXEL_NM).save(folder / f"{k:02}.hspy")
                lines = "\n".join(f"{tilt:g}" for tilt in tilts)
                (folder / f"{k:02}.rawtlt").write_text(lines, encoding="utf-8")
                truth[f"{k:02}.hspy"] = (places, hands)
            command = [sys.executable, "-m", "stemfast", "classify", str(folder), "--out", str(out)]
            start = time.monotonic()
            subprocess.run(
                [*command, "--tilt-axis-deg", "90"], check=True, stdout=subprocess.DEVNULL
            )
            seconds = time.monotonic() - start
            with (out / "particles.csv").open(newline="", encoding="utf-8") as table:
                rows = list(csv.DictReader(table))
            told = json.loads((out / "report.json").read_text(encoding="utf-8"))["hands"]
        sure = right = 0
        for row in rows:
            if not row["hand"].endswith("-handed"):
                continue
            places, hands = truth[row["file"]]
            far = np.linalg.norm(places - (float(row["x_nm"]), float(row["y_nm"])), axis=1)
            sure += 1
            right += far.min() < NEAR_NM and row["hand"] == hands[int(far.argmin())]
        every = [hand for _, hands in truth.values() for hand in hands]
        true = 2.0 * np.mean([hand == "right-handed" for hand in every]) - 1.0
        cells = [background, ", ".join(f"{tilt:g}" for tilt in tilts), f"{len(every)}"]
        cells += [f"{told['read']}", f"{sure}", f"{right}"]
        excess = told["excess"]
        cells += [
            "–"
            if excess is None
            else f"{100 * excess['excess']:+.0f} % ({100 * excess['low']:+.0f} to "
            f"{100 * excess['high']:+.0f})"
        ]
        cells += [f"{100 * true:+.0f} %", f"{seconds / max(told['read'], 1):.1f}"]
        print(f"| {' | '.join(cells)} |", flush=True)
