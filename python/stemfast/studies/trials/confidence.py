"""Trial of the confidence of `stemfast.reconstruct`, on cuboids at poses that are hard to read.

A cuboid that lies on a film shows its faces edge-on, and corners that superimpose. How often a
single image of one is read wrong, and how often that is with a high probability, is measured here,
beside cuboids turned about one of their axes and beside random poses.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.microscope import Beam, Microscope, Scan
from stemfast.reconstruction.answer import SURE
from stemfast.studies.record import Entry, Record

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

    from stemfast.particles import Cuboid

__all__ = ["KINDS", "ConfidenceTrial", "Sight", "confidence", "particle_at", "sight"]

Float: TypeAlias = NDArray[np.float64]

#: Poses: lying on a face within 1.5° (one standard deviation), turned about one of the cuboid's
#: axes that stays across the beam, and any.
KINDS = ("resting", "turned", "random")
_EDGES_NM, _CUTS, _MOST_CUT = (10.0, 18.0), (0.2, 0.45), 2
_SPREAD_DEG, _TURN_DEG = 1.5, (15.0, 40.0)
_BINS = (0.0, 0.5, 0.7, 0.9, 0.99, 1.0)
MICROSCOPE = Microscope(scan=Scan(shape=(128, 128), pixel_size_nm=0.25), beam=Beam(current_pa=80))


@dataclass(frozen=True)
class Sight(Entry):
    """Record of one image; `label` and `answer` are numbers of cut corners.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    explained : bool
        Whether the answer explains the image.
    volume_error, volume_sd : float
        Relative to the true volume.
    edge_error, edge_sd : tuple of float
        Of the sorted edges, longest first [nm].
    seconds : float
        Of one core.
    """

    kind: str
    explained: bool
    volume_error: float
    volume_sd: float
    edge_error: tuple[float, ...]
    edge_sd: tuple[float, ...]
    seconds: float

    @property
    def key(self) -> int:
        """Key of the entry within a record."""
        return len(KINDS) * self.index + KINDS.index(self.kind)

    @property
    def right(self) -> bool:
        """True if the corners were counted right."""
        return self.answer == self.label

    @property
    def sure(self) -> bool:
        """True of an answer that a user believes: explained, and more probable than 90 %."""
        return self.explained and max(self.probability) > SURE


@dataclass(frozen=True, eq=False)
class ConfidenceTrial:
    """Summary of images, by the kind of pose."""

    sights: tuple[Sight, ...]

    def of(self, kind: str) -> tuple[Sight, ...]:
        """Those of one kind."""
        return tuple(one for one in self.sights if one.kind == kind)

    @staticmethod
    def reliability(sights: Sequence[Sight]) -> list[tuple[float, float, float, int]]:
        """Mean probability, share right and number of answers, between limits of probability.

        Returns
        -------
        list of (highest of the bin, mean probability, share right, number)
            Of bins that are not empty.
        """
        said = np.array([max(one.probability) for one in sights])
        right = np.array([one.right for one in sights])
        rows = []
        for low, high in itertools.pairwise(_BINS):
            inside = (said > low) & (said <= high)
            if inside.any():
                n = int(inside.sum())
                rows.append((high, float(said[inside].mean()), float(right[inside].mean()), n))
        return rows


def particle_at(kind: str, index: int, seed: int = 0) -> tuple[Cuboid, Rotation]:
    """Cuboid of 0 to 2 cut corners, and its pose.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    index, seed : int

    Raises
    ------
    ValueError
        If there is no such kind.

    Examples
    --------
    >>> particle, pose = particle_at("resting", 0)
    >>> flat = abs(pose.as_matrix()[2]).max()
    >>> bool(flat > np.cos(np.radians(6)))
    True
    """
    from scipy.spatial.transform import Rotation

    from stemfast.particles import Cuboid, Truncation

    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}, expected one of {', '.join(KINDS)}")
    rng = np.random.default_rng([seed, index, KINDS.index(kind)])
    a, b, c = rng.uniform(*_EDGES_NM, size=3).tolist()
    corners = rng.permutation(8)[: rng.integers(_MOST_CUT + 1)].tolist()
    cuts = rng.uniform(*_CUTS, size=_MOST_CUT).tolist()
    edits = {corner: Truncation(cut) for corner, cut in zip(corners, cuts, strict=False)}
    particle = Cuboid((a, b, c), corners=edits)
    if kind == "random":
        return particle, Rotation.random(rng=rng)
    about_beam = Rotation.from_euler("z", rng.uniform(0.0, 360.0), degrees=True)
    if kind == "turned":
        return particle, about_beam * Rotation.from_euler(
            "x", rng.uniform(*_TURN_DEG), degrees=True
        )
    tilt = Rotation.from_rotvec(np.radians([*rng.normal(0.0, _SPREAD_DEG, 2), 0.0]))
    return particle, tilt * about_beam


def sight(kind: str, index: int, seed: int = 0) -> Sight:
    """Reconstruct one cuboid from one image.

    Parameters
    ----------
    kind, index, seed
        As for `particle_at`.
    """
    from stemfast.reconstruction import Reconstruction, reconstruct
    from stemfast.simulation.simulate import simulate

    particle, pose = particle_at(kind, index, seed)
    image = simulate(particle, pose, MICROSCOPE, seed=seed, first_index=index)
    begun = time.process_time()
    pixel = MICROSCOPE.scan.pixel_size_nm
    found = reconstruct([image], pixel, microscope=MICROSCOPE, family="cuboid")
    seconds = time.process_time() - begun
    assert isinstance(found, Reconstruction)  # of a cuboid, as asked
    order = np.argsort(-found.edges_nm, kind="stable")
    edges = found.edges_nm[order] - np.sort(particle.edges)[::-1]
    volume = particle.volume
    chances = np.asarray(found.count_probabilities)
    return Sight(
        index=index,
        label=len(particle.corners),
        answer=int(chances.argmax()),
        probability=tuple(np.round(chances, 6).tolist()),
        kind=kind,
        explained=found.explained,
        volume_error=round(found.volume_nm3 / volume - 1.0, 6),
        volume_sd=round(found.volume_sd_nm3 / volume, 6),
        edge_error=tuple(np.round(edges, 5).tolist()),
        edge_sd=tuple(np.round(found.edges_sd_nm[order], 5).tolist()),
        seconds=round(seconds, 3),
    )


def confidence(
    counts: dict[str, int],
    *,
    seed: int = 0,
    path: str | Path | None = None,
    report: Callable[[Sight, int], None] | None = None,
) -> ConfidenceTrial:
    """Reconstruct cuboids at poses of several kinds, each from one image.

    Parameters
    ----------
    counts : dict of str to int
        Images of each kind of pose.
    seed : int
    path : str or Path, optional
        File of JSON lines; what is there already is not done again.
    report : callable, optional
        Called as ``report(sight, done)`` after each image.

    Raises
    ------
    ValueError
        If there is no such kind, or the file is of another run.
    """
    for kind, n in counts.items():
        if kind not in KINDS:
            raise ValueError(f"kind is {kind!r}, expected one of {', '.join(KINDS)}")
        if n < 0:
            raise ValueError(f"counts[{kind!r}] is {n}, expected at least 0")
    record = None if path is None else Record(Path(path), "confidence", Sight)
    done = {} if record is None else record.resume({"seed": seed})
    sights: list[Sight] = []
    for index in range(max(counts.values(), default=0)):
        for kind in (kind for kind, n in counts.items() if index < n):
            key = len(KINDS) * index + KINDS.index(kind)
            if key not in done:
                done[key] = sight(kind, index, seed)
                if record is not None:
                    record.append(done[key])
            sights.append(done[key])
            if report is not None:
                report(done[key], len(sights))
    return ConfidenceTrial(tuple(sights))
