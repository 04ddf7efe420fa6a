"""Answers of fits and networks about a particle, against the truth up to symmetry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.symmetry import CuboidSymmetry, cuboid_symmetry

if TYPE_CHECKING:
    from stemfast.fit.cuboid.shape import CutCuboid
    from stemfast.fit.search import CornerComparison
    from stemfast.pretrained.reconstructor import GroundTruthAnswer

__all__ = ["Estimate", "TrueParticle", "of_fit", "of_network", "orbits"]

Float: TypeAlias = NDArray[np.float64]


def orbits() -> CuboidSymmetry:
    """Of any cuboid with three different edges, the longest along x."""
    return cuboid_symmetry((3.0, 2.0, 1.0), tolerance_nm=0.0)


@dataclass(frozen=True, eq=False)
class TrueParticle:
    """A particle in the frame of its sorted edges.

    Attributes
    ----------
    edges_nm : (3,) float64
        Longest first [nm].
    cuts : (8,) float64
        Of each corner, 0 for whole ones.
    volume_nm3 : float
        [nm³].
    """

    edges_nm: Float
    cuts: Float
    volume_nm3: float

    @classmethod
    def of(cls, shape: CutCuboid) -> TrueParticle:
        """Of the particle in any axes."""
        from stemfast.fit.cuboid.axes import sorted_axes

        (own,) = sorted_axes([shape])
        return cls(own.edges_nm, own.cuts, own.volume_nm3)

    @property
    def orbit(self) -> int:
        """Class of its corners, mirror images apart."""
        return int(orbits().class_table[_mask(self.cuts)])


@dataclass(frozen=True, eq=False)
class Estimate:
    """An answer.

    Attributes
    ----------
    count, orbit, orbit_up_to_mirror : int
        The most probable number and classes of corners.
    chance : (76,) float64
        Of each class, mirror images apart.
    edges_nm, edges_sd_nm : (3,) float64
        Longest first, and their error bars [nm].
    volume_nm3, volume_sd_nm3 : float
        [nm³].
    cuts, cuts_sd : (8,) float64
        Of each corner in the frame of the sorted edges.
    """

    count: int
    orbit: int
    orbit_up_to_mirror: int
    chance: Float
    edges_nm: Float
    edges_sd_nm: Float
    volume_nm3: float
    volume_sd_nm3: float
    cuts: Float
    cuts_sd: Float

    def handedness_is_that_of(self, truth: TrueParticle) -> bool | None:
        """True if it holds the true particle more likely than its mirror image.

        None for a particle that is its own mirror image.
        """
        own = orbits()
        twin = int(own.class_table[own.mirror_table[_mask(truth.cuts)]])
        if twin == truth.orbit:
            return None
        return bool(self.chance[truth.orbit] > self.chance[twin])

    def off_cuts(self, truth: TrueParticle, *, mirror: bool) -> tuple[Float, Float]:
        """Of corners cut in truth and answer: what the answer is off by, and its error bars.

        Under the name of the axes, and of the mirror image if `mirror`, that brings both together;
        empty if no name lays the same corners on each other.

        Examples
        --------
        >>> truth = TrueParticle(np.array([9.0, 8, 7]), np.eye(8)[0] * 0.3, 500.0)
        >>> sd = np.full(8, 0.01)
        >>> one = Estimate(
        ...     1, 1, 1, np.eye(76)[1], truth.edges_nm, sd[:3], 500.0, 1.0, np.eye(8)[3] * 0.31, sd
        ... )
        >>> off, error = one.off_cuts(truth, mirror=False)
        >>> off.round(3).tolist(), error.tolist()
        ([0.01], [0.01])
        """
        own = orbits()
        names = own.permutations if mirror else own.rotation_permutations
        wanted = truth.cuts > 0
        best: tuple[Float, Float] | None = None
        for name in names:
            cuts, sd = self.cuts[name], self.cuts_sd[name]
            if ((cuts > 0) != wanted).any():
                continue
            off = (cuts - truth.cuts)[wanted]
            if best is None or float((off**2).sum()) < float((best[0] ** 2).sum()):
                best = off, sd[wanted]
        return (np.zeros(0), np.zeros(0)) if best is None else best


def of_fit(found: CornerComparison) -> Estimate:
    """Answer from a comparison of sets of corners over several images."""
    from stemfast.fit.cuboid.axes import axes_of, sorted_axes
    from stemfast.fit.cuboid.shape import CORNERS
    from stemfast.symmetry import corner_permutation

    own, fit = orbits(), found.best
    totals = np.zeros((len(found.enantiomers), len(own.classes)))
    for total, rivals in zip(totals, found.enantiomers, strict=True):
        for mask, one in rivals.fits.items():
            (shape,) = sorted_axes([one.shape])
            total[own.class_table[shape.mask]] += np.exp(rivals.log_posterior(mask) - found.highest)
    # The mirror image may come back to the same particle under other names of its axes.
    chance = totals.max(axis=0) / totals.max(axis=0).sum()
    matrix = axes_of(fit.shape.edges_nm)
    goes = corner_permutation(matrix)
    (shape,) = sorted_axes([fit.shape])
    cuts_sd = np.zeros(CORNERS)
    cuts_sd[goes] = fit.cuts_sd
    return _estimate(
        _numbers(chance),
        chance,
        (shape.edges_nm, np.abs(matrix) @ fit.edges_sd_nm),
        (fit.volume_nm3, fit.volume_sd_nm3),
        (shape.cuts, cuts_sd),
    )


def of_network(answer: GroundTruthAnswer) -> Estimate:
    """Proposal of a network."""
    return _estimate(
        answer.number,
        answer.orbit,
        (answer.edges_nm, answer.edges_sd_nm),
        (answer.volume_nm3, answer.volume_sd_nm3),
        (answer.severity, answer.severity_sd),
    )


def _estimate(
    number: Float,
    chance: Float,
    edges: tuple[Float, Float],
    volume: tuple[float, float],
    cuts: tuple[Float, Float],
) -> Estimate:
    own = orbits()
    folded = np.bincount(own.class_index(own.classes, mirror=True), weights=chance)
    return Estimate(
        int(number.argmax()), int(chance.argmax()), int(folded.argmax()), chance, *edges, *volume,
        *cuts,
    )  # fmt: skip


def _numbers(chance: Float) -> Float:
    """Of each number of corners."""
    counts = [int(mask).bit_count() for mask in orbits().classes]
    return np.asarray(np.bincount(counts, weights=chance), np.float64)


def _mask(cuts: Float) -> int:
    return sum(1 << corner for corner in np.flatnonzero(cuts > 0).tolist())
