"""The report of a population: counts, shares, sizes, pictures and failures of many files."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stemfast.atomic import write_json, write_text
from stemfast.classification.hands import LEFT, RIGHT
from stemfast.micrograph.table import CUT, UNDECIDED, UNLIKE
from stemfast.populations.about import About, read_about
from stemfast.populations.files import warnings_about
from stemfast.populations.gather import MOST_LISTED, TABLE, FileLine, Gathered, Sizes, gather
from stemfast.populations.page import Added, page
from stemfast.populations.pictures import CHOICES
from stemfast.populations.shares import (
    Corners,
    Hands,
    corners_in_words,
    corrected,
    hands_in_words,
    mean_number,
    share_of,
    told_of_corners,
    told_of_hands,
    unlike_share,
)
from stemfast.untrusted import json_object

__all__ = ["JSON", "PAGE", "TRUTH", "Report", "write_report"]

PAGE, JSON = "report.html", "report.json"
TRUTH = "truth.json"
_MOST_BINS = 24
_MANY_UNLIKE = 0.05
_MIXED_SCALES = 2.0

Content = dict[str, Any]
Shares = dict[str, float]


class _TrueShares(NamedTuple):
    """Shares of a batch whose truth is known, None where it is not."""

    shapes: Shares | None = None
    corners: Shares | None = None
    hands: Shares | None = None


@dataclass(frozen=True, eq=False)
class Report:
    """Report of a population, and where it lies.

    Attributes
    ----------
    content : dict
        What ``report.json`` holds.
    page, json, table : Path
        The page, the numbers of the page, and the table of all particles.
    """

    content: Content
    page: Path
    json: Path
    table: Path

    @property
    def failed(self) -> int:
        """Number of files that could not be classified."""
        return len(self.content["failed"])

    def __str__(self) -> str:
        files, particles = self.content["files"], self.content["particles"]
        lines = [f"note: {note}" for note in self.content["notes"]]
        lines.append(
            f"{particles['found']} particles in {files['read']} files; {particles['counted']} count"
        )
        for one in self.content["shapes"]:
            if one["share"] is not None and (one["counted"] or one["high"] > 0.01):
                lines.append(
                    f"{one['shape']}: {100 * one['share']:.1f} % "
                    f"({100 * one['low']:.1f} to {100 * one['high']:.1f} %)"
                )
        corners = self.content.get("corners")
        if corners is not None and corners["deformed"] is not None:
            lines.append(corners_in_words(corners))
        hands = self.content.get("hands")
        if hands is not None:
            lines.append(hands_in_words(hands))
        lines.append(f"report {self.page}, numbers {self.json}, table {self.table}")
        return "\n".join(lines)


def write_report(folder: str | Path, added: Sequence[Added] = ()) -> Report:
    """Write table and report of what ``stemfast classify FOLDER`` has done so far.

    Where the folder holds a file ``truth.json`` with the true number of each shape, as of a
    simulated batch, the report shows the true shares beside its own. Under ``"corners"`` it may
    hold how many cuboids have each number of deformed corners: ``{"0": 20, "3": 7}``, and under
    ``"hands"`` how many are of each: ``{"right-handed": 12, "left-handed": 4}``.

    Parameters
    ----------
    folder : str or Path
        Folder of the results.
    added : sequence of Added
        More sections of the page.

    Returns
    -------
    Report

    Raises
    ------
    FileNotFoundError
        If the folder holds no results.
    ValueError
        If it holds none of any file, or a file in it is damaged.
    """
    out = Path(folder)
    about = read_about(out)
    names = about.card.class_names
    corners = None if about.corners is None else Corners(about.corners.class_names)
    hands = None if about.settings.tilt is None else Hands()
    gathered = gather(out, about.settings.digest, names, corners, hands)
    if not gathered.files:
        raise ValueError(
            f"{out} holds the result of no file, expected some: run stemfast classify again"
        )
    content = _content(about, gathered, _truth(out / TRUTH))
    write_json(out / JSON, content)
    write_text(out / PAGE, page(content, gathered, added))
    return Report(content, out / PAGE, out / JSON, out / TABLE)


def _truth(file: Path) -> _TrueShares:
    """Shares of the shapes, numbers of corners and hands of a batch whose truth is known."""
    if not file.is_file():
        return _TrueShares()
    numbers = json_object(file)
    corners, hands = numbers.pop("corners", None), numbers.pop("hands", None)
    shapes = _shares(numbers, "shape", file)
    counted = None if corners is None else _shares(corners, "count of corners", file)
    if counted is not None and not all(name.isdecimal() for name in counted):
        raise ValueError(f'{file} holds corners {corners}, expected counts of corners such as "0"')
    told = None if hands is None else _shares(hands, "hand", file)
    if told is not None and not set(told) <= {RIGHT, LEFT}:
        raise ValueError(f"{file} holds hands {hands}, expected numbers of {RIGHT} and {LEFT}")
    return _TrueShares(shapes, counted, told)


def _shares(numbers: Any, what: str, file: Path) -> dict[str, float]:
    good = isinstance(numbers, dict) and all(
        type(n) in (int, float) and 0 <= n < np.inf for n in numbers.values()
    )
    if not good or not sum(numbers.values()):
        raise ValueError(f"{file} holds {numbers}, expected the number of each {what}")
    return {name: n / sum(numbers.values()) for name, n in numbers.items()}


def _content(
    about: About,
    of: Gathered,
    truth: _TrueShares,
) -> Content:
    good = [file for file in of.files if not file.failed]
    counted = sum(of.counted)
    shares = corrected(of.counted, about.card.confusion)
    unit, edges = of.all_sizes.unit, _edges(of.all_sizes)
    settings = about.settings.to_json()
    settings["model"] = about.card.model
    content: Content = {
        "title": about.title,
        "settings": settings,
        "files": {
            "read": len(good),
            "failed": len(of.files) - len(good),
            "without_particles": sum(not file.particles for file in good),
        },
        "particles": {
            "found": of.found,
            "counted": counted,
            "sure": sum(of.named),
            "low_probability": of.doubts[UNDECIDED],
            "unlike": of.doubts[UNLIKE],
            "cut": of.doubts[CUT],
        },
        "unlike_share": unlike_share(of.doubts[UNLIKE], of.found - of.doubts[CUT]),
        "corrected": shares is not None and shares.corrected,
        "confusion": None
        if about.card.confusion is None
        else [list(row) for row in about.card.confusion],
        "shapes": [
            {
                "shape": name,
                "counted": of.counted[k],
                "sure": of.named[k],
                **share_of(shares, k),
                "true_share": None if truth.shapes is None else truth.shapes.get(name, 0.0),
                "sizes": _sizes(of.sizes[k], edges, unit),
            }
            for k, name in enumerate(of.class_names)
        ],
        "size_unit": unit,
        "all_sizes": _sizes(of.all_sizes, edges, unit),
        f"histogram_edges_{unit}": edges,
        "mean_number": mean_number(of.class_names, shares),
        "scales": [
            {"pixel_size_nm": size, "files": n}
            for size, n in sorted(Counter(_scales(good)).items())
        ],
        "contrasts": dict(sorted(Counter(f.contrast for f in good if f.contrast).items())),
        "notes": [],
        "failed": [{"file": f.name, "why": f.failed} for f in of.files if f.failed],
        "pictures": _pictures(of),
        "file_list": [
            {
                "file": file.name,
                "particles": file.particles,
                "pixel_size_nm": None
                if file.pixel_size_nm is None
                else _rounded(file.pixel_size_nm),
                "contrast": file.contrast,
                "method": file.method,
                "notes": list(file.notes),
            }
            for file in good
        ],
    }
    if about.corners is not None and of.corners is not None:
        content["corners"] = told_of_corners(of.corners, about.corners, truth.corners)
    if of.hands is not None:
        content["hands"] = told_of_hands(of.hands, truth.hands)
    content["notes"] = _notes(about, of, content)
    return content


def _edges(sizes: Sizes) -> list[float]:
    if not sizes.diameters:
        return []
    d = np.frombuffer(sizes.diameters)
    bins = int(np.clip(np.sqrt(len(d)), 4, _MOST_BINS))
    low, high = float(d.min()), float(d.max())
    if high - low < 1e-6 * high:
        low, high = 0.9 * low, 1.1 * high
    return [float(edge) for edge in np.linspace(low, high, bins + 1)]


def _sizes(sizes: Sizes, edges: list[float], unit: str) -> Content:
    """Sizes of one class; none where only files without a scale hold it and others have one."""
    d, weights = np.array(sizes.diameters), np.array(sizes.weights)
    if not len(d) or sizes.unit != unit:
        return {"n": 0, "histogram": []}
    sd = float(d.std(ddof=1)) if len(d) > 1 else None
    return {
        "n": len(d),
        f"median_{unit}": float(np.median(d)),
        f"mean_{unit}": float(d.mean()),
        f"sd_{unit}": sd,
        f"mean_se_{unit}": None if sd is None else sd / float(np.sqrt(len(d))),
        f"edge_corrected_mean_{unit}": float(np.sum(weights * d) / np.sum(weights)),
        "histogram": np.histogram(d, edges)[0].tolist(),
    }


def _pictures(of: Gathered) -> Content:
    """Particles that the page shows, without their pictures."""
    told: Content = {}
    for name in CHOICES:
        told[name] = [
            {
                "file": one.file,
                "particle": one.particle,
                "shape": one.shape,
                "probability": one.probability,
                "novelty": one.novelty,
                f"diameter_{one.unit}": one.diameter,
            }
            for (choice, _), group in sorted(of.pictures.items())
            if choice == name
            for one in group
        ]
    return told


def _scales(files: Sequence[FileLine]) -> list[float]:
    return [_rounded(one.pixel_size_nm) for one in files if one.pixel_size_nm is not None]


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _notes(about: About, of: Gathered, content: Content) -> list[str]:
    """Notes on the limits of the numbers."""
    notes = []
    if content["failed"]:
        notes.append(f"{len(content['failed'])} of {len(of.files)} files failed: see the list")
    if not of.found:
        notes.append("no particle was found in any file: there are no shares")
    read = content["files"]["read"]
    bare = read - sum(one["files"] for one in content["scales"])
    if bare and bare == read:
        notes.append("no file has a scale: sizes are in px")
    elif bare:
        notes.append(
            f"{bare} of {read} files have no scale: their particles are counted, but are not among "
            "the sizes"
        )
    scales = [one["pixel_size_nm"] for one in content["scales"]]
    if len(scales) > 1 and scales[-1] > _MIXED_SCALES * scales[0]:
        notes.append(
            f"mixed scales: {scales[0]:g} to {scales[-1]:g} nm/px; small particles are missed "
            "where pixels are large"
        )
    if len(content["contrasts"]) > 1:
        parts = ", ".join(f"{name} in {n} files" for name, n in content["contrasts"].items())
        notes.append(f"mixed contrasts: particles are {parts}; --contrast settles it")
    same = defaultdict(list)
    for file in of.files:
        if file.pixels:
            same[file.pixels].append(file.name)
    copies = [those for those in same.values() if len(those) > 1]
    if copies:
        shown = "; ".join(", ".join(those) for those in copies[:3])
        notes.append(
            f"the same image in {sum(map(len, copies))} files ({shown}"
            f"{'; …' if len(copies) > 3 else ''}): its particles count more than once"
        )
    notes += warnings_about([f.name for f in of.files if not any(f.name in c for c in copies)])
    unlike = content["unlike_share"]
    if unlike and unlike["share"] > _MANY_UNLIKE:
        notes.append(
            f"{100 * unlike['share']:.0f} % of the whole particles are unlike all that the "
            "network learnt from; the shares are those of the others"
        )
    corners = content.get("corners")
    if corners is not None and corners["read"] and corners["unlike_share"]["share"] > _MANY_UNLIKE:
        notes.append(
            f"{100 * corners['unlike_share']['share']:.0f} % of the cuboids are unlike all that "
            f"the network {corners['network']} learnt from; corners are those of the others"
        )
    if about.card.confusion is None:
        notes.append(
            "the network's card has no confusion of a test: shares are not corrected for its "
            "mistakes, and their intervals hold chance only"
        )
    else:
        tested = sum(map(sum, about.card.confusion))
        notes.append(
            f"intervals hold chance and the mistakes that the network {about.card.model} made on "
            f"{tested} test images; on images unlike those it makes others"
        )
    if of.found > MOST_LISTED:
        notes.append(f"the page lists the first {MOST_LISTED} particles, {TABLE} all {of.found}")
    noted = sum(bool(file.notes) for file in of.files)
    if noted:
        notes.append(f"{noted} files have notes of their own: see the list of files")
    return notes
