"""How the cost of images grows with pixels and number; draws docs/images/scaling.png."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

import stemfast as sf

CUT = sf.Cuboid((24, 20, 16), corners={7: sf.Truncation(0.3), 0: sf.Truncation((0.2, 0.3, 0.4))})
FIELD_NM = 44.8
SIDES = (64, 128, 256, 512, 1024, 2048)
NUMBERS = (1, 10, 100, 1_000, 10_000, 100_000)
PICTURE = Path(__file__).parents[1] / "docs" / "images" / "scaling.png"


def microscope(side: int) -> sf.Microscope:
    return sf.Microscope(scan=sf.Scan(shape=(side, side), pixel_size_nm=FIELD_NM / side))


def seconds_of(side: int, number: int, rounds: int) -> float:
    """Best time of a batch; a large one is taken in parts, as a data set would be."""
    scope, part = microscope(side), min(number, 2_000)
    poses = sf.orientation.random(part, seed=1)
    out = np.empty((part, side, side), np.uint16)
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        for first in range(0, number, part):
            sf.simulate(CUT, poses, scope, seed=1, first_index=first, n_threads=1, out=out)
        best = min(best, time.perf_counter() - start)
    assert out.max() > 20
    return best


def test_cost_is_linear(benchmark, report):
    by_side = {side: seconds_of(side, 8, 5) / 8 for side in SIDES}
    by_number = {n: seconds_of(64, n, 5 if n < 10_000 else 1) for n in NUMBERS}
    slope = np.polyfit(np.log([s * s for s in SIDES[1:]]), np.log(list(by_side.values())[1:]), 1)[0]
    growth = np.polyfit(np.log(NUMBERS[2:]), np.log(list(by_number.values())[2:]), 1)[0]
    report.add("cost grows with pixels, with images", f"power {slope:.2f}, {growth:.2f}")
    assert 0.8 < slope < 1.2
    assert 0.8 < growth < 1.2
    draw(by_side, by_number)
    benchmark.pedantic(lambda: seconds_of(64, 100, 1), rounds=3)


def draw(by_side: dict[int, float], by_number: dict[int, float]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    pixels = np.array([side * side for side in by_side])
    left.loglog(pixels, np.array(list(by_side.values())) * 1e3, "o-")
    per_pixel = by_side[256] / 256**2
    left.loglog(
        pixels, pixels * per_pixel * 1e3, "k--", lw=0.8, label=f"{per_pixel * 1e9:.1f} ns/px"
    )
    left.set(xlabel="pixels in an image", ylabel="time an image [ms]")
    right.loglog(list(by_number), list(by_number.values()), "o-")
    each = by_number[1_000] / 1_000
    numbers = np.array(list(by_number))
    right.loglog(numbers, numbers * each, "k--", lw=0.8, label=f"{each * 1e6:.0f} µs an image")
    right.set(xlabel="images of 64² px", ylabel="time [s]")
    for axes in (left, right):
        axes.legend(frameon=False)
        axes.grid(alpha=0.3)
    figure.suptitle("All stages, one core")
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_png(PICTURE)
