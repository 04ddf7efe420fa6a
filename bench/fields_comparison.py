"""Statistics of simulated fields against those of real micrographs, as a table.

    python bench/fields_comparison.py ../shared/data/real/catalysts

Reads every picture of the folder, draws fields of catalysts on every support,
and prints medians and quartiles of both. AUC is the share of pairs in which the simulated one has
the larger number: 0.5 where this number tells nothing. No picture is written.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft, stats

from stemfast.fields import FieldRecipe

SIDE = 512
SUPPORTED = ("carbon-black", "silica", "alumina", "zeolite", "graphene")
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


def fields(count: int, seed: int) -> Iterable[NDArray[np.uint8]]:
    recipe = FieldRecipe(kinds=SUPPORTED, rows=SIDE, columns=SIDE, laboratory=1.0)
    return (recipe.draw(seed, index).image for index in range(count))


def middle(values: Map) -> str:
    low, median, high = np.percentile(values, (25, 50, 75))
    digits = 0 if abs(median) >= 20 else 1 if abs(median) >= 2 else 2
    return f"{median:.{digits}f} ({low:.{digits}f} – {high:.{digits}f})"


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
    words.add_argument("--fields", type=int, default=96, help="simulated fields")
    words.add_argument("--seed", type=int, default=0)
    given = words.parse_args()
    real, drawn = pictures(given.folder), list(fields(given.fields, given.seed))
    ours = np.array([statistics(grey) for grey in drawn])
    theirs = np.array([statistics(grey) for grey in real])
    print(f"| median (quartiles) | {len(real)} real | {len(drawn)} simulated | AUC |")
    print("|---|---|---|---|")
    for k, (name, unit) in enumerate(ROWS.items()):
        auc = stats.mannwhitneyu(ours[:, k], theirs[:, k]).statistic / (len(ours) * len(theirs))
        said = f"{name}{f' [{unit}]' if unit else ''}"
        print(f"| {said} | {middle(theirs[:, k])} | {middle(ours[:, k])} | {auc:.2f} |")
    print(f"\nmean histograms differ by {histogram_distance(real, drawn):.0f} grey levels")


if __name__ == "__main__":
    main()
