"""From the fits to the answer: errors, probabilities, names, and whether to believe any of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit import CutCuboid, Observation
from stemfast.fit.cuboid.axes import SHAPES, alike, axes_of, sorted_axes
from stemfast.fit.cuboid.equivalents import mirror_corners, mirrored
from stemfast.fit.decide import Decision
from stemfast.fit.families.maximum import FamilyFit
from stemfast.fit.families.shape_family import Placed
from stemfast.fit.image.goodness import Goodness
from stemfast.fit.refine import Refined
from stemfast.reconstruction.answer import NOT_EXPLAINED, SURE, ImageFit, Reconstruction
from stemfast.reconstruction.prepare import View
from stemfast.symmetry import CuboidSymmetry, corner_permutation

if TYPE_CHECKING:
    from stemfast.fit.turns import Turns

__all__ = ["BLIND_PX", "Known", "believed", "hand_probability", "image_fits", "summarise"]

Float: TypeAlias = NDArray[np.float64]

_OFF_SIGMAS = 4.0
#: Uncertainty of every edge where the microscope was estimated [px].
BLIND_PX = 0.1
# Misfit put down to that.
_BLIND_MISFIT = 0.03


@dataclass(frozen=True, eq=False)
class Known:
    """Inputs of the answer besides the fits: material, turns, calibration, assumptions.

    Attributes
    ----------
    material : str
    turns : Turns or None
    no_handedness : str
        Why the handedness cannot be known; empty if it can.
    calibrated : bool
        Whether the microscope was given, and not estimated.
    attention : (K,) float64 or None
        Of the network.
    alone : tuple of bool or None
        Whether each image is explained by a particle of its own, where they are not together.
    assumptions, warnings : tuple of str
    """

    material: str
    turns: Turns | None
    no_handedness: str
    calibrated: bool
    attention: Float | None
    alone: tuple[bool, ...] | None
    assumptions: tuple[str, ...]
    warnings: tuple[str, ...]


def summarise(views: Sequence[View], decision: Decision, known: Known) -> Reconstruction:
    """Put the answer together.

    Parameters
    ----------
    views : sequence of K View
    decision : Decision
    known : Known
    """
    fit = decision.best
    shapes = sorted_axes(fit.shapes)
    matrix = axes_of(fit.shapes[0].edges_nm)
    goes = corner_permutation(matrix)
    edges, edges_sd = shapes[0].edges_nm, np.abs(matrix) @ fit.edges_sd_nm
    volume, volume_sd = fit.volume_nm3, fit.volume_sd_nm3
    if not known.calibrated:
        # What an estimated probe and dose may do to every edge at once.
        blind = BLIND_PX * float(np.mean([view.pixel_size_nm for view in views]))
        edges_sd = np.hypot(edges_sd, blind)
        volume_sd = float(np.hypot(volume_sd, volume * (blind / edges).sum()))
    cuts_sd = np.zeros(8)
    cuts_sd[goes] = fit.cuts_sd
    symmetry = alike(edges, edges_sd)
    if known.no_handedness and symmetry.hand(shapes[0].mask) == "right-handed":
        # Both hands explain the images, and rounding may decide where the fit ends.
        shapes = tuple(mirrored(shape) for shape in shapes)
        cuts_sd = cuts_sd[mirror_corners()]
    mask = shapes[0].mask
    images = image_fits(views, fit, shapes, known)
    explained, said = believed(images)
    if not explained and len(views) > 1 and known.alone is not None and all(known.alone):
        said.append(
            "each image alone is explained, all together are not: are they of different "
            "particles, or the tilts not these?"
        )
    orbit, chance, handedness, hand_chance = _orbit(symmetry, mask, decision, known.no_handedness)
    return Reconstruction(
        explained=explained,
        shape_class=SHAPES[symmetry.group] if explained else NOT_EXPLAINED,
        particle=shapes[0].particle(),
        edges_nm=edges,
        edges_sd_nm=edges_sd,
        cuts=shapes[0].cuts,
        cuts_sd=cuts_sd,
        volume_nm3=volume,
        volume_sd_nm3=volume_sd,
        count=mask.bit_count(),
        count_probabilities=decision.probability,
        orbit=orbit,
        orbit_probability=chance,
        handedness=handedness,
        hand_probability=hand_chance,
        images=images,
        source="images" if known.attention is None else "network",
        assumptions=known.assumptions,
        warnings=(*known.warnings, *said, *_doubts(decision, images, known, explained=explained)),
    )


def image_fits(
    views: Sequence[View],
    fit: Refined | FamilyFit,
    shapes: Sequence[CutCuboid] | Sequence[Placed],
    known: Known,
) -> tuple[ImageFit, ...]:
    """Comparison of each image with a fit.

    Parameters
    ----------
    views : sequence of K View
    fit : Refined or FamilyFit
    shapes : sequence of K CutCuboid or Placed
        The answer in each view.
    known : Known
    """
    told = np.array(
        [_told(seen, e) for seen, e in zip(fit.observations, fit.electrons, strict=True)]
    )
    weights = told / told.sum()
    pose_sd = np.degrees(np.sqrt((np.asarray(fit.poses_sd_rad) ** 2).mean(axis=1)))
    return tuple(
        _image(
            view,
            seen,
            fit.electrons[k],
            fit.goodness[k],
            replace(shapes[k], position_nm=shapes[k].position_nm + view.middle_nm),
            (float(pose_sd[k]), float(weights[k])),
            0.0 if known.calibrated else _BLIND_MISFIT,
            None if known.attention is None else float(known.attention[k]),
        )
        for k, (view, seen) in enumerate(zip(views, fit.observations, strict=True))
    )


def _image(
    view: View,
    seen: Observation,
    electrons: Float,
    good: Goodness,
    shape: CutCuboid | Placed,
    numbers: tuple[float, float],
    allowed: float,
    attention: float | None,
) -> ImageFit:
    return ImageFit(
        name=view.name,
        measured=seen.counts * seen.excess - seen.noise / seen.excess,
        expected=electrons,
        noise=np.sqrt(np.maximum(seen.excess * electrons + seen.noise, 1e-12)),
        pixel_size_nm=view.pixel_size_nm,
        misfit=good.misfit,
        p_value=good.p_value,
        explained=good.explained or good.misfit <= allowed,
        shape=shape,
        pose_sd_deg=numbers[0],
        weight=numbers[1],
        attention=attention,
    )


def _told(seen: Observation, electrons: Float) -> float:
    """Information of an image: signal over noise, squared and summed."""
    signal = seen.weight * np.maximum(electrons - seen.film_electrons, 0.0)
    variance = np.maximum(seen.excess * electrons + seen.noise, 1e-12)
    return float((signal**2 / variance).sum())


def believed(images: Sequence[ImageFit]) -> tuple[bool, list[str]]:
    """Verdict on whether the answer explains the images, with the few exceptions."""
    off = [image for image in images if not image.explained]
    explained = len(off) <= len(images) // 4
    if not explained or not off:
        return explained, []
    names = ", ".join(image.name for image in off)
    return True, [
        f"{names}: not explained by what explains the others: another particle, or damaged?"
    ]


def _chances(decision: Decision, table: NDArray[np.uint8]) -> Float:
    """Probability of each class of corners.

    Fits of one handedness add up. Those of the mirror image may come back to the same particle
    under other names of its axes, and are then not counted again.
    """
    compared = decision.comparisons[0]
    totals = np.zeros((len(compared.enantiomers), int(table.max()) + 1))
    for total, rivals in zip(totals, compared.enantiomers, strict=True):
        for mask, fit in rivals.fits.items():
            (shape,) = sorted_axes([fit.shapes[0]])
            total[table[shape.mask]] += np.exp(rivals.log_posterior(mask) - compared.highest)
    chances = totals.max(axis=0)
    return np.asarray(chances / chances.sum())


def _orbit(
    symmetry: CuboidSymmetry, mask: int, decision: Decision, unknown: str
) -> tuple[str, float, str, float | None]:
    """Name and probability of the class of corners; name and probability of the handedness."""
    chiral = bool(symmetry.is_chiral(mask))
    mirror = not chiral or bool(unknown)
    table = symmetry.class_table_up_to_mirror if mirror else symmetry.class_table
    chances = _chances(decision, table)
    own, name = float(chances[table[mask]]), symmetry.class_name(mask, mirror=mirror)
    if not chiral:
        return name, own, "none: its own mirror image", None
    if unknown:
        return name, own, unknown, None
    name, handedness = name.rsplit(", ", 1)
    return name, own, handedness, hand_probability(symmetry, chances, handedness)


def hand_probability(symmetry: CuboidSymmetry, chances: Float, hand: str) -> float:
    """Probability of one hand against the other, over all classes of corners.

    Classes that the images leave open, as where a fourth corner may be cut, may differ in hand.

    Parameters
    ----------
    symmetry : CuboidSymmetry
    chances : (K,) float64
        Probability of each of its classes.
    hand : str
        "left-handed" or "right-handed".

    Examples
    --------
    >>> from stemfast.symmetry import cuboid_symmetry
    >>> symmetry = cuboid_symmetry((3, 2, 1), tolerance_nm=0)
    >>> three, four = symmetry.class_index([0b00110001, 0b00110101])
    >>> symmetry.class_hands[three], symmetry.class_hands[four]
    ('right-handed', 'left-handed')
    >>> chances = np.zeros(len(symmetry.classes))
    >>> chances[three], chances[four] = 0.45, 0.55
    >>> hand_probability(symmetry, chances, "left-handed")
    0.55
    """
    hands = np.array(symmetry.class_hands)
    return float(chances[hands == hand].sum() / chances[hands != ""].sum())


def _doubts(
    decision: Decision, images: Sequence[ImageFit], known: Known, *, explained: bool
) -> list[str]:
    fit, said = decision.best, []
    if explained and not fit.converged:
        said.append("the fit did not settle: its error bars are not to be trusted")
    share = max(
        float(np.nanmax(image.expected)) / seen.dose
        for image, seen in zip(images, fit.observations, strict=True)
    )
    if share > 0.85:
        said.append(
            f"up to {100 * share:.0f} % of the electrons are scattered: so thick that brightness "
            "says little of thickness"
        )
    open_count = float(decision.probability.max()) <= SURE
    if explained and open_count and any(seen.rim_nm > 0 for seen in fit.observations):
        said.append(
            "faces stand along the beam, where corners superimpose: another image, tilted by ten "
            "degrees, shows them apart"
        )
    if explained and known.turns is not None and known.turns.sd_deg > 0:
        errors = np.degrees(np.linalg.norm(fit.turn_errors_rad, axis=1))
        for image, error in zip(images, errors.tolist(), strict=True):
            if error > _OFF_SIGMAS * known.turns.sd_deg:
                said.append(f"{image.name}: turned by {error:.1f}° more or less than its tilt says")
    return said
