"""The family of a particle in one image or several, by evidence, with a probability of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.fit.cuboid.shape import CutCuboid
from stemfast.fit.families.gather import gathered, turned_on
from stemfast.fit.families.glance import Glance, candidates, glance, posed, turned_apart
from stemfast.fit.families.maximum import FamilyFit, Known, log_likelihood_of, refined
from stemfast.fit.families.shape_family import Placed, ShapeFamily
from stemfast.fit.families.shipped import FAMILIES, family_of
from stemfast.fit.image.likelihood import Observation, observe
from stemfast.fit.templates import binned
from stemfast.fit.turns import Turns
from stemfast.microscope import Microscope

__all__ = ["FamilyComparison", "compare_families"]

Float: TypeAlias = NDArray[np.float64]

_COARSE_PX, _MEDIUM_PX = 24, 40  # rows of the grids, about
_WAVES = 6
_QUICK, _QUICK_STEPS = 3, 12  # starts of every family, and steps of each
_MORE, _MORE_STEPS = (4, 4), 20  # starts of each of those that remain: others, and other poses
_FURTHER = (24, 16)  # the same where nothing explains the images
_RIVALS, _NEAR = 6, 100.0  # families that remain: so many, and those so near in each image
_LAST, _CLOSE = 3, 40.0
_HOPEFUL = 1000.0  # that a climb may win from poses of another family, in each image
_MODES = 2  # of each family, on the finest grid
_LIMIT = 6.0  # largest size, in ∛volume
_SAME_RAD, _SAME_SIZE = 0.05, 0.02
_NEGLIGIBLE = 12.0


@dataclass(frozen=True, eq=False)
class FamilyComparison:
    """Families compared in one image or several.

    Attributes
    ----------
    fits : dict of str to FamilyFit
        The most likely member of each family that came into question.
    log_evidence : dict of str to float
        Of all families; -inf for one that did not.
    """

    fits: dict[str, FamilyFit] = field(repr=False)
    log_evidence: dict[str, float]

    @property
    def probability(self) -> dict[str, float]:
        """Of each family, if all come equally often."""
        values = np.array(list(self.log_evidence.values()))
        shares = np.exp(values - values.max())
        return dict(zip(self.log_evidence, (shares / shares.sum()).tolist(), strict=True))

    @property
    def best(self) -> FamilyFit:
        """The most likely member of the most likely family."""
        return self.fits[max(self.fits, key=lambda name: self.log_evidence[name])]

    @property
    def explained(self) -> bool:
        """True if that explains every image."""
        return self.best.explained


def compare_families(
    images: Sequence[ArrayLike],
    microscopes: Sequence[Microscope],
    families: Sequence[ShapeFamily] | None = None,
    *,
    material: str = "Au",
    turns: Turns | None = None,
    dose_sd: float = 0.0,
    report: Callable[[str], None] = lambda text: None,
) -> FamilyComparison:
    """Fit the members of each family to 1 … 16 images of one particle and compare their evidence.

    Parameters
    ----------
    images : sequence of (rows, columns) array_like
    microscopes : sequence of Microscope
        What took each.
    families : sequence of ShapeFamily, optional
        Rivals; all that come with stemfast without it.
    material : str
    turns : Turns, optional
        How the views are turned against each other, if that is known.
    dose_sd : float
        Standard deviation of the logarithm of the doses; 0 if they are known.
    report : callable
        Told in words what is being done.

    Raises
    ------
    ValueError
        If there are no images or families, microscopes or turns are not one for each image, or no
        particle stands out of an image.

    Examples
    --------
    >>> import stemfast as sf
    >>> pose = sf.orientation.random(1, seed=4)[0]
    >>> image = sf.simulate(sf.Octahedron(edge=12), pose, seed=1)
    >>> rivals = [family_of("octahedron"), family_of("cube"), family_of("sphere")]
    >>> found = compare_families([image], [sf.Microscope()], rivals)
    >>> found.best.family.name, found.probability["octahedron"] > 0.99
    ('octahedron', True)
    """
    rivals = [family_of(name) for name in FAMILIES] if families is None else list(families)
    k = len(images)
    if k == 0 or not rivals:
        raise ValueError("images, families: got none, expected at least one of each")
    for name, count in (
        ("microscopes", len(microscopes)),
        ("turns", k if turns is None else len(turns)),
    ):
        if count != k:
            raise ValueError(f"{name}: got {count}, expected {k}, one for each image")
    if len({family.name for family in rivals}) < len(rivals):
        raise ValueError("families: got two of the same name, expected different names")
    rivals = [family.under(microscopes, material) for family in rivals]
    report("looking at each image")
    glances = [glance(*pair, material) for pair in zip(images, microscopes, strict=True)]
    fine = tuple(
        _observed(image, scope, seen, material)
        for image, scope, seen in zip(images, microscopes, glances, strict=True)
    )
    coarse, medium = _joined(fine, _COARSE_PX), _joined(fine, _MEDIUM_PX)
    size = float(np.cbrt(np.mean([seen.volume_nm3 for seen in glances])))
    known = Known(_LIMIT * size, turns if k > 1 else None, dose_sd)

    ideas: dict[str, list[list[FamilyFit]]] = {}
    for family in rivals:
        report(f"comparing: {family.name}")
        ideas[family.name] = [
            _alone(one, family, seen, known.alone, range(_QUICK))
            for one, seen in zip(coarse, glances, strict=True)
        ]
    quick = {name: sum(own[0].log_likelihood for own in found) for name, found in ideas.items()}
    kept = _with_special(rivals, _nearest(quick, _RIVALS, k * _NEAR))
    fits: dict[str, list[FamilyFit]] = {}
    for family in rivals:
        if family.name in kept:
            report(f"fitting: {family.name}")
            own = ideas[family.name]
            fits[family.name] = _fitted(coarse, medium, glances, family, own, known, _MORE)
    _crossed(coarse, medium, rivals, fits, quick, known)
    modes = _finest(fine, fits, known, report)
    if not any(own[0].explained for own in modes.values()):
        for family, starts in _further(rivals, fits, quick):
            report(f"searching further: {family.name}")
            own = ideas[family.name]
            more = _fitted(coarse, medium, glances, family, own, known, starts)
            fits[family.name] = _modes([*fits.get(family.name, []), *more])
            if _on(fine, fits[family.name][0], known).explained:
                break
        _crossed(coarse, medium, rivals, fits, quick, known)
        modes = _finest(fine, fits, known, report)
    evidence = {family.name: -np.inf for family in rivals}
    evidence |= {name: _log_sum([mode.log_evidence for mode in own]) for name, own in modes.items()}
    best = {name: own[0] for name, own in modes.items() if evidence[name] > -np.inf}
    if not best:
        raise np.linalg.LinAlgError("no family has a maximum that the images hold")
    return FamilyComparison(best, evidence)


def _observed(image: ArrayLike, microscope: Microscope, seen: Glance, material: str) -> Observation:
    """An observation with room for whatever has the volume seen."""
    around = CutCuboid(
        np.full(3, max(2.0 * seen.reach_nm, 1.0)), np.zeros(8), np.array([0.0, 0.0, 0.0, 1.0]),
        seen.centre_nm, material,
    )  # fmt: skip
    return observe(image, microscope, around)


def _joined(seen: tuple[Observation, ...], rows: int) -> tuple[Observation, ...]:
    factors = [max(1, round(one.counts.shape[0] / rows)) for one in seen]
    return tuple(
        binned(one, factor, _WAVES) if factor > 1 else one
        for one, factor in zip(seen, factors, strict=True)
    )


def _alone(
    seen: Observation, family: ShapeFamily, glanced: Glance, known: Known, which: range
) -> list[FamilyFit]:
    """Fits of one image from some of the candidates, the most likely first."""
    starts = candidates(family, glanced, which.stop)[which.start :]
    fits = [refined((seen,), family, (start,), known, most=_QUICK_STEPS) for start in starts]
    return sorted(fits, key=lambda fit: -fit.log_likelihood)


def _more(
    seen: Observation,
    family: ShapeFamily,
    glanced: Glance,
    known: Known,
    ideas: list[FamilyFit],
    starts_of: tuple[int, int],
) -> list[FamilyFit]:
    """Fits from more candidates, and from all poses of the best member so far."""
    others, poses = starts_of
    more = _alone(seen, family, glanced, known, range(_QUICK, _QUICK + others))
    found = sorted([*ideas, *more], key=lambda fit: -fit.log_likelihood)
    starts = posed(family, found[0].sizes_nm, glanced, poses)
    found += [refined((seen,), family, (at,), known, most=_MORE_STEPS) for at in starts]
    return sorted(found, key=lambda fit: -fit.log_likelihood)


def _nearest(values: dict[str, float], most: int, near: float) -> list[str]:
    ranked = sorted(values, key=lambda name: -values[name])
    top = values[ranked[0]]
    return [name for k, name in enumerate(ranked) if k < most or values[name] > top - near]


def _with_special(rivals: Sequence[ShapeFamily], names: list[str]) -> set[str]:
    """Names of families, with those of the families that they hold.

    On a coarse grid the more general one makes up for the grid by its free sizes, and the simpler
    one, which is right, falls behind.
    """
    kept = [family for family in rivals if family.name in names]
    held = (one.name for one in rivals if any(family.holds(one) for family in kept))
    return {*names, *held}


def _fitted(
    coarse: tuple[Observation, ...],
    medium: tuple[Observation, ...],
    glances: Sequence[Glance],
    family: ShapeFamily,
    ideas: list[list[FamilyFit]],
    known: Known,
    starts: tuple[int, int],
) -> list[FamilyFit]:
    """Fits of one family to all images, from more starts, apart, the most likely first."""
    every = [
        _more(one, family, seen, known.alone, own, starts)
        for one, seen, own in zip(coarse, glances, ideas, strict=True)
    ]
    if len(coarse) == 1:
        fits = _modes(every[0])
    elif known.turns is not None:
        fits = turned_on(coarse, family, every, known)
    else:
        fits = gathered(coarse, glances, family, every, known)
    return _modes([_on(medium, fit, known) for fit in fits[:3]])


def _crossed(
    coarse: tuple[Observation, ...],
    medium: tuple[Observation, ...],
    rivals: Sequence[ShapeFamily],
    fits: dict[str, list[FamilyFit]],
    quick: dict[str, float],
    known: Known,
) -> None:
    """Start every family once more at the poses of the best fit of all.

    Families that share axes, as a tetrahedron and a truncated one do, then have the same chance:
    that of the simpler one is not lost to a pose that only the other found.
    """
    best = max((own[0] for own in fits.values()), key=lambda fit: fit.log_evidence)
    volume = best.family.seen_volume(best.sizes_nm)
    for family in rivals:
        if family is best.family:
            continue
        starts = [
            tuple(replace(at, sizes_nm=sizes * float(np.cbrt(volume))) for at in best.shapes)
            for sizes in family.shapes()
        ]
        values = [log_likelihood_of(coarse, family, shapes) for shapes in starts]
        start = starts[int(np.argmax(values))]
        own = fits.get(family.name)
        if max(values) < quick[family.name] - len(coarse) * _HOPEFUL:
            continue
        fit = refined(coarse, family, start, known, before=best.before, most=_QUICK_STEPS)
        if own is None and fit.log_likelihood < quick[best.family.name] - len(coarse) * _NEAR:
            continue
        fit = _on(medium, fit, known)
        fits[family.name] = _modes([*(own or []), fit])


def _finest(
    fine: tuple[Observation, ...],
    fits: dict[str, list[FamilyFit]],
    known: Known,
    report: Callable[[str], None],
) -> dict[str, list[FamilyFit]]:
    """The families that come near, fitted on the finest grid."""
    last = {name: own[0].log_evidence for name, own in fits.items()}
    modes: dict[str, list[FamilyFit]] = {}
    for name in _nearest(last, _LAST, len(fine) * _CLOSE):
        report(f"refining: {name}")
        modes[name] = _modes([_on(fine, one, known) for one in fits[name][:_MODES]])
    _simplified(fine, fits, modes, known)
    return modes


def _on(seen: tuple[Observation, ...], fit: FamilyFit, known: Known) -> FamilyFit:
    """The same fit gone on with on another grid."""
    return refined(seen, fit.family, fit.shapes, known, before=fit.before)


def _further(
    rivals: Sequence[ShapeFamily], fits: dict[str, list[FamilyFit]], quick: dict[str, float]
) -> list[tuple[ShapeFamily, tuple[int, int]]]:
    """Families to search further, and from how many starts: first those that were left aside."""
    aside = [family for family in rivals if family.name not in fits]
    aside.sort(key=lambda family: -quick[family.name])
    fitted = [family for family in rivals if family.name in fits]
    fitted.sort(key=lambda family: -fits[family.name][0].log_evidence)
    return [*((family, _MORE) for family in aside), *((family, _FURTHER) for family in fitted)]


def _simplified(
    fine: tuple[Observation, ...],
    fits: dict[str, list[FamilyFit]],
    modes: dict[str, list[FamilyFit]],
    known: Known,
) -> None:
    """Fit what the best family holds from its poses too, on the finest grid.

    Of many views one may rest at a pose beside the best, which then counts against its family; and
    on a coarser grid the free sizes of the more general family make up for the grid.
    """
    best = max((own[0] for own in modes.values()), key=lambda fit: fit.log_evidence)
    for name, (first, *_) in fits.items():
        family = first.family
        if family is not best.family and best.family.holds(family):
            shapes = tuple(replace(at, sizes_nm=first.sizes_nm) for at in best.shapes)
            fit = refined(fine, family, shapes, known, before=best.before)
            modes[name] = _modes([*modes.get(name, []), fit])


def _modes(fits: list[FamilyFit]) -> list[FamilyFit]:
    """Fits that differ, the most likely first."""
    found: list[FamilyFit] = []
    for fit in sorted(fits, key=lambda one: -one.log_evidence):
        if all(_differ(fit.family, fit.shapes, other.shapes) for other in found):
            found.append(fit)
    return found


def _differ(family: ShapeFamily, one: tuple[Placed, ...], other: tuple[Placed, ...]) -> bool:
    sizes = np.sort(one[0].sizes_nm), np.sort(other[0].sizes_nm)
    if np.abs(sizes[0] - sizes[1]).max() > _SAME_SIZE * sizes[0].max():
        return True
    return any(
        turned_apart(family, a.quaternion, b.quaternion) > _SAME_RAD
        for a, b in zip(one, other, strict=True)
    )


def _log_sum(values: Sequence[float]) -> float:
    top = max(values)
    near = np.array([value for value in values if value > top - _NEGLIGIBLE])
    if not len(near):  # all are -inf
        return top
    return top + float(np.log(np.exp(near - top).sum()))
