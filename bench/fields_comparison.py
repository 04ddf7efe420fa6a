"""Statistics of simulated fields against those of real micrographs, as tables.

    python bench/fields_comparison.py ../shared/data/real/catalysts --set bright_field=0.17
    python bench/fields_comparison.py ../shared/data/real/emps/images --set bright_field=1 \\
        --kind monolayer --kind sparse --kind large --kind rods

Reads every picture of the folder, draws fields of each kind, and prints the medians and the range
of the middle 80 % of both, and how far apart they are: the largest difference between the two
cumulative distributions (Kolmogorov–Smirnov), 0 where they are alike and 1 where they do not
overlap. A second table has this distance for each kind of field. No picture is written.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft, stats

from stemfast.fields import KINDS, FieldRecipe
from stemfast.fields.supports import SUPPORTS
from stemfast.recipes.resolve import settings_of

SIDE = 512
BLOCK = 16  # px, for local contrast
Map = NDArray[np.float64]

ROWS = {
    "median grey level": "of 0 … 255",
    "standard deviation of grey levels": "of 0 … 255",
    "skewness of grey levels": "",
    "grey levels in use": "of 256",
    "pixels at the darkest or brightest level": "%",
    "slope of the power spectrum, 0.01 – 0.1 px⁻¹": "log/log",
    "slope of the power spectrum, 0.1 – 0.4 px⁻¹": "log/log",
    "noise, rms of the finest scale over all": "%",
    "correlation of the noise with its neighbour": "",
    f"contrast in blocks of {BLOCK} px, median over all": "%",
    f"contrast in blocks of {BLOCK} px, 90th over 10th percentile": "",
}


def slope(frequency: Map, power: Map, low: float, high: float) -> float:
    """Slope of power against frequency in a band, both in the logarithm."""
    band = (frequency > low) & (frequency < high)
    return float(np.polyfit(np.log(frequency[band]), np.log(power[band]), 1)[0])


def radial_power(image: Map) -> tuple[Map, Map]:
    """Frequencies [1/px] and the mean power at each, of a Hann-windowed image."""
    rows, columns = image.shape
    window = np.outer(np.hanning(rows), np.hanning(columns))
    power = np.abs(fft.fft2((image - image.mean()) * window)) ** 2
    q = np.hypot(fft.fftfreq(rows)[:, None], fft.fftfreq(columns))
    edges = np.arange(0.004, 0.5, 0.004)
    ring = np.digitize(q.ravel(), edges)
    count = np.bincount(ring, minlength=len(edges) + 1)[1:-1]
    summed = np.bincount(ring, power.ravel(), minlength=len(edges) + 1)[1:-1]
    filled = count > 0
    return (0.5 * (edges[1:] + edges[:-1]))[filled], summed[filled] / count[filled] + 1e-9


def statistics(grey: NDArray[np.uint8]) -> list[float]:
    """One number for each row of the table."""
    image = grey.astype(np.float64)
    spread = image.std()
    rows, columns = (n // BLOCK * BLOCK for n in image.shape)
    blocks = image[:rows, :columns].reshape(rows // BLOCK, BLOCK, columns // BLOCK, BLOCK)
    local = blocks.std(axis=(1, 3)).ravel()
    low, high = np.percentile(local, (10, 90))
    frequency, power = radial_power(image)
    # Second differences along a row take smooth structure away; white noise has a variance of 6.
    fine = np.diff(image, 2, axis=1)
    # What is left of it one row below: 0 for white noise, above for blurred or compressed noise.
    below = float((fine[1:] * fine[:-1]).mean() / max(float((fine**2).mean()), 1e-9))
    return [
        float(np.median(image)),
        float(spread),
        float(stats.skew(image, axis=None)),
        float(len(np.unique(grey))),
        100.0 * float(((grey == 0) | (grey == 255)).mean()),
        slope(frequency, power, 0.01, 0.1),
        slope(frequency, power, 0.1, 0.4),
        100.0 * float(np.sqrt((fine**2).mean() / 6.0) / spread),
        below,
        100.0 * float(np.median(local) / spread),
        float(high / max(float(low), 0.5)),
    ]


def pictures(folder: Path) -> list[NDArray[np.uint8]]:
    """Middle part of each picture of a folder, at most SIDE wide and high."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".tif", ".tiff"):
            grey = np.asarray(Image.open(path).convert("L"))
            top, left = (max(0, (n - SIDE) // 2) for n in grey.shape)
            found.append(grey[top : top + SIDE, left : left + SIDE])
    if not found:
        raise SystemExit(f"{folder} holds no picture")
    return found


def drawn(recipe: FieldRecipe, count: int, seed: int) -> list[NDArray[np.uint8]]:
    """Pictures of fields as files of a laboratory."""
    return [np.asarray(recipe.draw(seed, index).image) for index in range(count)]


def middle(values: Map) -> str:
    """Median, and the range of the middle 80 %."""
    low, median, high = np.percentile(values, (10, 50, 90))
    digits = 0 if abs(median) >= 20 else 1 if abs(median) >= 2 else 2
    return f"{median:.{digits}f} ({low:.{digits}f} – {high:.{digits}f})"


def distance(ours: Map, theirs: Map) -> float:
    """Largest difference between the cumulative distributions of two samples."""
    return float(stats.ks_2samp(ours, theirs).statistic)


def by_chance(n: int, m: int) -> float:
    """Distance that two samples of one distribution stay below in 95 % of cases (Smirnov 1948)."""
    return 1.358 * float(np.sqrt((n + m) / (n * m)))


def histogram_distance(real: list[NDArray[np.uint8]], drawn: list[NDArray[np.uint8]]) -> float:
    """Earth mover's distance between the two mean histograms of grey levels."""
    shares = [
        np.mean([np.bincount(g.ravel(), minlength=256) / g.size for g in group], axis=0)
        for group in (real, drawn)
    ]
    return float(np.abs(np.cumsum(shares[0] - shares[1])).sum())


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("folder", type=Path, help="folder of real micrographs")
    words.add_argument(
        "--kind", action="append", choices=KINDS, help="kind of field; by default those on supports"
    )
    words.add_argument("--fields", type=int, default=32, help="simulated fields of each kind")
    words.add_argument("--set", action="append", default=[], help="setting of the fields")
    words.add_argument("--seed", type=int, default=0)
    given = words.parse_args()
    kinds = given.kind or list(SUPPORTS)
    settings = settings_of(None, {"rows": SIDE, "columns": SIDE, "laboratory": 1.0}, given.set)
    real = pictures(given.folder)
    simulated = {
        kind: drawn(FieldRecipe(**settings | {"kinds": (kind,)}), given.fields, given.seed)
        for kind in kinds
    }
    theirs = np.array([statistics(grey) for grey in real])
    ours = {kind: np.array([statistics(grey) for grey in own]) for kind, own in simulated.items()}
    every = np.concatenate(list(ours.values()))
    print(f"| median (10 – 90 %) | {len(real)} real | {len(every)} simulated | distance |")
    print("|---|---|---|---|")
    names = [f"{name}{f' [{unit}]' if unit else ''}" for name, unit in ROWS.items()]
    for k, name in enumerate(names):
        apart = distance(every[:, k], theirs[:, k])
        print(f"| {name} | {middle(theirs[:, k])} | {middle(every[:, k])} | {apart:.2f} |")
    whole = [grey for own in simulated.values() for grey in own]
    print(f"\nMean histograms differ by {histogram_distance(real, whole):.0f} grey levels.")
    print(f"By chance: {by_chance(len(real), len(every)):.2f} above, ", end="")
    print(f"{by_chance(len(real), given.fields):.2f} below.\n")
    print(f"| distance | {' | '.join(kinds)} |\n|{'---|' * (len(kinds) + 1)}")
    for k, name in enumerate(ROWS):
        apart = [f"{distance(ours[kind][:, k], theirs[:, k]):.2f}" for kind in kinds]
        print(f"| {name} | {' | '.join(apart)} |")


if __name__ == "__main__":
    main()
