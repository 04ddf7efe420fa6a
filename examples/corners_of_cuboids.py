"""Corners of simulated cuboids, counted by `stemfast classify FOLDER --corners`.

    python examples/corners_of_cuboids.py [FIELDS [PIXEL_NM [DWELL_US]]]

Prints a table of docs/classify.md: fields of 20 gold cuboids in random poses, half of them with
1 to 8 cut corners, on 5 nm of carbon and in front of carbon spheres, read by the command and
compared with the truth. It takes some minutes.
"""

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast.image import Image
from stemfast.micrograph import electrons_nm2
from stemfast.orientation import random

FIELDS, PIXEL_NM, DWELL_US = map(float, [*sys.argv[1:4], *("4", "0.25", "16")[len(sys.argv) - 1 :]])
COLUMNS, ROWS, CELL_NM = 5, 4, 34.0  # a cuboid in each cell, none touching
CARBON_NM = 45.0
NEAR_NM = 5.0
SCOPE = sf.Microscope(
    scan=sf.Scan(
        shape=(round(ROWS * CELL_NM / PIXEL_NM), round(COLUMNS * CELL_NM / PIXEL_NM)),
        pixel_size_nm=PIXEL_NM,
        dwell_us=DWELL_US,
    ),
    beam=sf.Beam(current_pa=20),
    probe=sf.Probe(fwhm_nm=0.6),
    film=sf.Film(thickness_nm=5.0, roughness_nm=0.3),
)


def cuboid(rng: np.random.Generator) -> sf.Cuboid:
    """A gold cuboid as `count` learnt from, with cut corners or without."""
    edges = rng.uniform(1.0, 1.5, 3)
    edges *= (np.pi / 6.0 * rng.uniform(11.0, 18.0) ** 3 / edges.prod()) ** (1.0 / 3.0)
    n = 0 if rng.random() < 0.5 else int(rng.integers(1, 9))
    cut = rng.choice(8, n, replace=False)
    corners = {int(c): sf.Truncation(float(rng.uniform(0.2, 0.5))) for c in cut}
    return sf.Cuboid(edges=tuple(edges.tolist()), corners=corners, material="Au")


def field(seed: int, *, carbon: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An image, the places of its cuboids [nm], and their numbers of cut corners."""
    rng = np.random.default_rng(seed)
    particles: list[sf.Particle] = [cuboid(rng) for _ in range(COLUMNS * ROWS)]
    counts = np.array([len(one.corners) for one in particles])
    down, right = np.divmod(np.arange(len(particles)), COLUMNS)
    places = np.zeros((len(particles), 3))
    places[:, 0] = (right - 0.5 * (COLUMNS - 1)) * CELL_NM
    places[:, 1] = (down - 0.5 * (ROWS - 1)) * CELL_NM
    places[:, :2] += rng.uniform(-3.0, 3.0, (len(particles), 2))
    poses, positions = random(len(particles), seed=seed), places
    if carbon:
        extent = 0.5 * CELL_NM * np.array([COLUMNS, ROWS])
        behind = np.full((24, 3), CARBON_NM)
        behind[:, :2] = rng.uniform(-extent, extent, (24, 2))
        particles += [sf.Sphere(0.5 * CARBON_NM, material="C")] * len(behind)
        positions = np.concatenate([places, behind])
        poses = Rotation.concatenate([poses, Rotation.identity(len(behind))])
    specimen = sf.Specimen(particles=particles, positions_nm=positions, orientations=poses)
    return sf.simulate(specimen, microscope=SCOPE, seed=seed), places[:, :2], counts


def run(folder: Path, options: list[str]) -> tuple[list[dict[str, str]], dict]:
    """Rows of the table, and what the report tells of corners, of the command."""
    command = [sys.executable, "-m", "stemfast", "classify", str(folder), "--corners", *options]
    out = folder.parent / "results"
    subprocess.run([*command, "--out", str(out)], check=True, stdout=subprocess.DEVNULL)
    with (out / "particles.csv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    return rows, json.loads((out / "report.json").read_text(encoding="utf-8"))["corners"]


def of_truth(rows: list[dict[str, str]], places: np.ndarray) -> list[dict[str, str] | None]:
    """Row of each cuboid, the nearest one that is near; None for a cuboid that was not found."""
    found = np.array([[float(row["x_nm"]), float(row["y_nm"])] for row in rows]).reshape(-1, 2)
    own: list[dict[str, str] | None] = []
    for place in places:
        far = np.linalg.norm(found - place, axis=1)
        own.append(rows[int(far.argmin())] if len(far) and far.min() < NEAR_NM else None)
    return own


def with_interval(told: dict | None, key: str, factor: float, digits: int) -> str:
    """A number and its 95 % interval."""
    if told is None:
        return "–"
    value, low, high = (f"{factor * told[k]:.{digits}f}" for k in (key, "low", "high"))
    return f"{value} ({low} to {high})"


HEADS = (
    "behind",
    "options",
    "found",
    "read: uncut, cut",
    "like the learnt",
    "right, within one",
    "right of the sure",
    "deformed [%]",
    "mean number",
)
print(f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}")
electrons: list[float] = []
for background in ("film", "carbon"):
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / background
        folder.mkdir()
        fields = {}
        for k in range(int(FIELDS)):
            image, *truth_of = field(k, carbon=background == "carbon")
            file = f"{k:02}.hspy"
            written = Image(image, PIXEL_NM, title=file)
            written.save(folder / file)
            if background == "film":
                electrons += electrons_nm2(*sf.find(written).needed().bright()).tolist()
            fields[file] = truth_of
        truth = np.concatenate([counts for _, counts in fields.values()])
        for options in ("", "--model shapes"):
            rows, told = run(folder, options.split())
            own = [
                row
                for file, (places, _) in fields.items()
                for row in of_truth([row for row in rows if row["file"] == file], places)
            ]
            found = np.array([row is not None for row in own])
            seen = np.array([row is not None and row["corners"] != "" for row in own])
            verdicts = np.array([row["corners_verdict"] if row else "" for row in own])
            read = np.array([int(row["corners"]) if row and row["corners"] else -9 for row in own])
            like = seen & (verdicts != "unlike anything learnt")
            sure = like & (verdicts != "not sure")
            right, near = read == truth, abs(read - truth) < 2
            cells = [background, f"`{options}`" if options else "", f"{found.sum()}"]
            cells += [f"{(seen & (truth == 0)).sum()}, {(seen & (truth > 0)).sum()}"]
            cells += [f"{like.sum()}", f"{(like & right).sum()}, {(like & near).sum()}"]
            cells += [f"{(sure & right).sum()} of {sure.sum()}"]
            cells += [with_interval(told["deformed"], "share", 100, 0)]
            cells += [with_interval(told["mean_number"], "mean", 1, 2)]
            print(f"| {' | '.join(cells)} |", flush=True)
print(
    f"truth: {len(truth)} cuboids, {np.count_nonzero(truth)} of them with cut corners "
    f"({100 * np.mean(truth > 0):.0f} %), {truth.mean():.2f} cut corners on the mean; "
    f"{np.median(electrons):.3g} e⁻/nm² on particles"
)
