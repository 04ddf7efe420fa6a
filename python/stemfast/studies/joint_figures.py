"""The table of joint fits: shares read right, errors of sizes, and whether error bars cover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from stemfast.studies.record import SetReading

__all__ = ["Coverage", "Figure", "coverage", "figures", "table"]

#: Shares of a normal distribution within one and two standard deviations.
NORMAL = (0.6827, 0.9545)
_WORDS = {
    "count": "corners counted",
    "orbit of 46": "orbit up to mirror, of 46",
    "orbit of 76": "orbit with its hand, of 76",
    "hand": "hand",
    "edges": "edges, rms",
    "volume": "volume, rms",
    "explained": "explained",
    "seconds": "seconds of one core a particle",
}


@dataclass(frozen=True)
class Figure:
    """A number and its 95 % interval, of so many particles."""

    value: float
    low: float
    high: float
    of: int

    @classmethod
    def share(cls, right: Sequence[bool]) -> Figure:
        """Of the right ones (Wilson).

        Examples
        --------
        >>> print(Figure.share([True] * 98 + [False] * 2))
        98.0 (93.0–99.4)
        """
        from stemfast.evaluation.metrics import wilson_interval

        count, n = sum(right), len(right)
        return cls(count / n, *wilson_interval(count, n), n)

    @classmethod
    def rms(cls, errors: ArrayLike) -> Figure:
        """Of relative errors (particles, …); the interval by drawing particles anew."""
        square = np.square(np.asarray(errors, np.float64))
        square = square.reshape(len(square), -1).mean(axis=1)
        draws = np.random.default_rng(0).integers(0, len(square), (1000, len(square)))
        low, high = np.quantile(np.sqrt(square[draws].mean(axis=1)), [0.025, 0.975])
        return cls(float(np.sqrt(square.mean())), float(low), float(high), len(square))

    def __str__(self) -> str:
        ends = (100 * self.value, 100 * self.low, 100 * self.high)
        digits = 1 if self.value > 0.1 else 2
        return "{:.{d}f} ({:.{d}f}–{:.{d}f})".format(*ends, d=digits)


def figures(readings: Sequence[SetReading], who: str) -> dict[str, Figure]:
    """Of readings of one number of images.

    Parameters
    ----------
    readings : sequence of SetReading
    who : str
        "network", "fit" or "together".
    """
    pairs = [(reading.said(who), reading.truth) for reading in readings]
    hands = [said["hand"] for said, _ in pairs if said["hand"] is not None]
    known = any(said["hand"] is not None for said, _ in pairs)
    found = {
        name: Figure.share([said[key] == truth[key] for said, truth in pairs])
        for name, key in {
            "count": "count",
            "orbit of 46": "orbit_up_to_mirror",
            **({"orbit of 76": "orbit"} if known else {}),
        }.items()
    }
    if hands:
        found["hand"] = Figure.share(hands)
    for name in ("edges", "volume"):
        found[name] = Figure.rms([said[f"{name}_off"] for said, _ in pairs])
    return found


@dataclass(frozen=True)
class Coverage:
    """Shares within one and two error bars, their standard errors, of how many values."""

    within: tuple[float, float]
    errors: tuple[float, float]
    of: int

    @classmethod
    def of_groups(cls, groups: Sequence[ArrayLike]) -> Coverage:
        """Of deviations in error bars; those of one particle need not be independent.

        Examples
        --------
        >>> Coverage.of_groups([[0.5, 1.5], [0.1, -2.5]]).within
        (0.5, 0.75)
        """
        sizes = np.array([np.size(group) for group in groups], np.float64)
        total = sizes.sum()
        shares, errors = [], []
        for limit in (1.0, 2.0):
            inside = np.array([float((np.abs(group) < limit).sum()) for group in groups])
            share = float(inside.sum() / total)
            shares.append(share)
            errors.append(float(np.sqrt(((inside - share * sizes) ** 2).sum()) / total))
        return cls((shares[0], shares[1]), (errors[0], errors[1]), int(total))

    def __str__(self) -> str:
        one, two = (
            f"{100 * share:.1f} ± {100 * error:.1f}"
            for share, error in zip(self.within, self.errors, strict=True)
        )
        return f"{one}, {two} ({self.of:,})"


def coverage(readings: Sequence[SetReading], who: str) -> dict[str, Coverage]:
    """Of edges, cuts and volumes of the particles whose corners were read right.

    An error bar tells nothing of a particle that was taken for another.
    """
    known = any(reading.said(who)["hand"] is not None for reading in readings)
    key = "orbit" if known else "orbit_up_to_mirror"
    right = [r.said(who) for r in readings if r.said(who)[key] == r.truth[key]]
    found = {}
    for name in ("edges", "cuts", "volume"):
        groups = [np.atleast_1d(said[f"{name}_z"]) for said in right]
        groups = [group for group in groups if group.size]
        if groups:
            found[name] = Coverage.of_groups(groups)
    return found


def table(readings: Sequence[SetReading]) -> str:
    """Methods against the number of images, in Markdown."""
    numbers = sorted({reading.views for reading in readings})
    by_number = {k: [r for r in readings if r.views == k] for k in numbers}
    who = ["network", "fit", "together"] if readings[0].network else ["fit"]
    every = {(one, k): figures(by_number[k], one) for one in who for k in numbers}
    head = " | ".join(f"K = {k}" for k in numbers)
    rule = "|---|" + "---:|" * len(numbers)
    counts = " | ".join(str(len(by_number[k])) for k in numbers)
    lines = [f"| | {head} |", rule, f"| particles | {counts} |"]
    for name, words in _WORDS.items():
        unit = "" if name == "seconds" else " [%]"
        if name == "explained":
            cells = [str(Figure.share([r.explained for r in by_number[k]])) for k in numbers]
            lines.append(f"| {words}{unit}: fit | {' | '.join(cells)} |")
            continue
        if name == "seconds":
            for one, key in (("network", "network_seconds"), ("fit", "seconds")):
                if one in who:
                    cells = [_seconds([getattr(r, key) for r in by_number[k]]) for k in numbers]
                    lines.append(f"| {words}: {one} | {' | '.join(cells)} |")
            continue
        for one in who:
            cells = [str(every[one, k].get(name, "–")) for k in numbers]
            if any(cell != "–" for cell in cells):
                lines.append(f"| {words}{unit}: {one} | {' | '.join(cells)} |")
    lines += ["", f"| within one, two error bars [%] | {head} |", rule]
    for one in who[:2]:
        for name in ("edges", "cuts", "volume"):
            cells = [str(coverage(by_number[k], one).get(name, "–")) for k in numbers]
            lines.append(f"| {name}: {one} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _seconds(values: list[float]) -> str:
    middle, late = np.quantile(values, [0.5, 0.9])
    return f"{middle:.2f} (one in ten over {late:.2f})"
