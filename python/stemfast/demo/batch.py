"""A fictitious batch: simulated fields matched, classified and reported beside the truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from stemfast import atomic, micrograph
from stemfast.classification.hands import LEFT, RIGHT
from stemfast.fit.turns import Turns
from stemfast.image import Image
from stemfast.matching import match
from stemfast.microscope import Microscope, Probe, Scan
from stemfast.orientation import random
from stemfast.particles import Cuboid, Truncation
from stemfast.particles.specimen import Specimen
from stemfast.populations import classify_folder
from stemfast.populations.report import TRUTH
from stemfast.populations.shares import corners_in_words, hands_in_words
from stemfast.reconstruction import Reconstruction, reconstruct, write_answer
from stemfast.simulation.simulate import simulate

__all__ = ["report_batch", "report_real", "tilt_pair"]

_CARBON_NM = 45.0  # primary spheres of the carbon black that the batch lies on
_DEFORMED = 0.5  # of the cuboids
_CHIRAL = {3: 0.4, 6: 0.35, 7: 0.4}  # cuts of a right-handed cuboid; across x of a left-handed one
_SCOPE = Microscope(
    scan=Scan(shape=(640, 640), pixel_size_nm=0.5, dwell_us=16.0), probe=Probe(fwhm_nm=0.8)
)
_PAIR_SCOPE = Microscope(
    scan=Scan(shape=(240, 280), pixel_size_nm=0.5, dwell_us=16.0), probe=Probe(fwhm_nm=0.8)
)


def report_batch(
    folder: Path, seed: int, fields: int, model: str | Path, say: Callable[[str], None]
) -> dict[str, Any]:
    """Simulate a batch, match its first field, and write the report with its true shares.

    Parameters
    ----------
    folder : Path
        The fields are written to ``batch`` in it, conditions to ``match``, the report to itself.
    seed : int
    fields : int
        Number of fields.
    model : str or Path
        Network that classifies.
    say : callable
        Prints a line.

    Returns
    -------
    dict
        Shares and their intervals as in ``report.json``, with the truth.
    """
    batch = folder / "batch"
    batch.mkdir(exist_ok=True)
    truth: Counter[str] = Counter()
    corners: Counter[str] = Counter()
    for k in range(fields):
        own = int(np.random.SeedSequence([seed, k]).generate_state(1)[0])
        field = micrograph.simulated_field(
            own, carbon_nm=_CARBON_NM, deformed=_DEFORMED, microscope=_SCOPE
        )
        truth.update(field.shapes)
        pairs = zip(field.shapes, field.corners, strict=True)
        corners.update(str(n) for shape, n in pairs if shape == "cuboid")
        Image(field.image, field.pixel_size_nm, title=f"field {k}").save(batch / f"field{k}.hspy")
    hands = _tilted_field(batch / "pair.hspy", seed)
    truth["cuboid"] += hands.total()
    corners[str(len(_CHIRAL))] += hands.total()
    say(
        f"\nbatch: {fields} SIMULATED fields and a tilt pair of one, {sum(truth.values())} "
        f"particles ({batch})"
    )
    matched = match(batch / "field0.hspy")
    matched.save(folder / "match")
    told = matched.conditions
    say(
        f"  its conditions, from the first field alone: probe {told.probe_fwhm}, "
        f"background {told.background_level} ({folder / 'match'})"
    )
    true = {
        **dict(sorted(truth.items())),
        "corners": dict(sorted(corners.items())),
        "hands": dict(sorted(hands.items())),
    }
    atomic.write_json(folder / TRUTH, true)
    report = classify_folder(batch, folder, model=model, corners=True, tilt_axis_deg=90.0)
    for one in report.content["shapes"]:
        if one["share"] is not None and (one["counted"] or one["true_share"]):
            say(
                f"  {one['shape']}: {100 * one['share']:.1f} % ({100 * one['low']:.1f} to "
                f"{100 * one['high']:.1f} %), in truth {100 * one['true_share']:.1f} %"
            )
    of = report.content["corners"]
    if of["deformed"] is not None:
        say(f"  {corners_in_words(of)}")
    say(f"  {hands_in_words(report.content['hands'])}")
    say(f"  report {report.page}")
    columns = ("shape", "share", "low", "high", "true_share")
    return {
        "shapes": [{name: one[name] for name in columns} for one in report.content["shapes"]],
        "corners": {name: of[name] for name in ("deformed", "mean_number", "truth")},
        "hands": report.content["hands"],
    }


def _tilted_field(file: Path, seed: int) -> Counter[str]:
    """Write a tilt pair of some chiral cuboids on a film, and count how many have each hand."""
    rng = np.random.default_rng([seed, 1])
    places = np.array([(-36, -24), (0, -28), (37, -20), (-20, 22), (24, 26)], np.float64)
    rights = [True, True, True, False, False]
    solids = []
    for right in rights:
        edges = rng.uniform(14.0, 16.0) * np.array([1.2, 1.0, 0.8])
        cuts = {(k if right else k ^ 1): Truncation(cut) for k, cut in _CHIRAL.items()}
        solids.append(Cuboid(edges=tuple(edges.tolist()), corners=cuts))
    field = Specimen(
        solids, np.column_stack([places, np.zeros(len(places))]), random(len(solids), seed=seed)
    )
    tilts = [-20.0, 20.0]
    turns = Rotation.from_euler("y", [[tilt] for tilt in tilts], degrees=True)
    images = simulate(field, turns, _PAIR_SCOPE, seed=seed)
    Image(images, _PAIR_SCOPE.scan.pixel_size_nm, title="tilt pair").save(file)
    atomic.write_text(file.with_suffix(".rawtlt"), "\n".join(f"{tilt:g}" for tilt in tilts) + "\n")
    return Counter(RIGHT if right else LEFT for right in rights)


def report_real(folder: Path, catalysts: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Classify real micrographs, and write table and report.

    They have no scale, so sizes are in px.

    Parameters
    ----------
    folder : Path
        Gets ``report.html`` and what belongs to it.
    catalysts : Path
        Folder of the micrographs.
    say : callable
        Prints a line.

    Returns
    -------
    dict
        Numbers of particles, and the shares as in ``report.json``.
    """
    say(f"\nREAL micrographs of catalysts: {catalysts}")
    report = classify_folder(catalysts, folder)
    told = report.content
    numbers = told["particles"]
    say(
        f"  {numbers['found']} particles in {told['files']['read']} files, the shapes of "
        f"{numbers['sure']} are sure"
    )
    for one in told["shapes"]:
        if one["sure"]:
            say(
                f"  {one['shape']}: {one['sure']} sure, {100 * one['share']:.1f} % of all "
                f"({100 * one['low']:.1f} to {100 * one['high']:.1f} %)"
            )
    say(f"  report {report.page}")
    return {"particles": numbers, "shapes": told["shapes"]}


def tilt_pair(folder: Path, seed: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Image a cuboid of the batch's kind at two tilts, and reconstruct it.

    Parameters
    ----------
    folder : Path
        Gets the images, the answer and its picture.
    seed : int
        Of the noise.
    say : callable
        Prints a line.

    Returns
    -------
    dict
        Edges [nm] and number of deformed corners as found, and the true ones.
    """
    particle = Cuboid(edges=(14, 11, 9), corners={0: Truncation(0.35), 7: Truncation(0.35)})
    scope = Microscope(scan=Scan(shape=(64, 64), pixel_size_nm=0.4, dwell_us=10))
    tilts = [-20.0, 20.0]
    poses = Turns.about_axis(tilts).rotations * Rotation.from_rotvec([0.5, 0.4, 0.3])
    images = simulate(particle, poses, scope, seed=seed)
    found = reconstruct(images, 0.4, tilts, tilt_axis_deg=0, microscope=scope, family="cuboid")
    folder.mkdir(exist_ok=True)
    write_answer(folder, found)
    say(f"\ntilt pair: a SIMULATED cuboid at {tilts[0]:.0f} and {tilts[1]:.0f} degrees")
    say(f"  in truth {particle}")
    for line in str(found).splitlines():
        say(f"  {line}")
    assert isinstance(found, Reconstruction)  # of the family that was asked for
    return {
        "edges_nm": np.round(found.edges_nm, 3).tolist(),
        "true_edges_nm": list(particle.edges),
        "corners": found.count,
        "true_corners": len(particle.corners),
    }
