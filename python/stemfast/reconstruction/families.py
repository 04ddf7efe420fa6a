"""Reconstruction of a particle of any family: faceted or round, with areas by type of facet."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.families.compare import FamilyComparison, compare_families
from stemfast.fit.families.family import Family
from stemfast.fit.families.measures import Measures, measured
from stemfast.fit.families.probe import with_family_gain, with_family_probe
from stemfast.fit.families.shape_family import ShapeFamily
from stemfast.fit.families.shelled import Shelled, shelled
from stemfast.fit.families.shipped import FAMILIES, family_of
from stemfast.microscope import Microscope
from stemfast.reconstruction.answer import NOT_EXPLAINED, ImageFit, closing_lines, percent
from stemfast.reconstruction.prepare import View
from stemfast.reconstruction.summary import BLIND_PX, Known, believed, image_fits

if TYPE_CHECKING:
    from stemfast.particles import Particle

__all__ = ["FamilyReconstruction", "chosen_families", "judge_families", "summarise_family"]

Float: TypeAlias = NDArray[np.float64]

_SHOWN = 0.01  # probability of a rival that is listed


@dataclass(frozen=True, eq=False)
class FamilyReconstruction:
    """Estimate of a particle of one of several families that images show.

    Error bars are standard errors, the second of each pair. Where `explained` is False, the shape
    is only the nearest of the families: do not use it.

    Attributes
    ----------
    explained : bool
        Whether a member of the family explains the images.
    family : str
        The most likely family.
    probabilities : dict of str to float
        Of each family that was compared, if all come equally often.
    particle : Particle
        The most likely particle, in its own axes.
    sizes_nm : dict of str to (float, float)
        The family's parameters, of the outer solid [nm].
    measures : Measures
        Volume, surface, areas and shares of it by type of facet, mean edges by types; what is
        inside, if something is.
    images : tuple of ImageFit
        How each image fits.
    assumptions, warnings : tuple of str
        Assumptions, where settings were not given; doubts about the answer.
    """

    explained: bool
    family: str
    probabilities: dict[str, float]
    particle: Particle
    sizes_nm: dict[str, tuple[float, float]]
    measures: Measures
    images: tuple[ImageFit, ...] = field(repr=False)
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def shape_class(self) -> str:
        """The family, or that it is not explained."""
        return self.family if self.explained else NOT_EXPLAINED

    @property
    def volume_nm3(self) -> float:
        """Volume [nm³]."""
        return self.measures.volume_nm3[0]

    @property
    def volume_sd_nm3(self) -> float:
        """Standard error of the volume [nm³]."""
        return self.measures.volume_nm3[1]

    @property
    def misfit(self) -> float:
        """Root mean square misfit of all images, as a share of the particle's signal."""
        return float(np.sqrt(np.mean([image.misfit**2 for image in self.images])))

    @property
    def title(self) -> str:
        """One line above the picture."""
        volume, sd = self.measures.volume_nm3
        shares = self.measures.shares
        areas = ", ".join(
            f"{100 * share:.0f} % {_form(kind)}" for kind, (share, _) in shares.items()
        )
        chance = 100 * self.probabilities[self.family]
        return f"{self.family} ({chance:.0f} %), {volume:.0f} ± {sd:.0f} nm³, {areas}"

    def __str__(self) -> str:
        lines = _particle(self) if self.explained else _unexplained(self)
        ending = closing_lines(self.images, self.assumptions, self.warnings)
        return "\n".join([*lines, *ending])

    def to_dict(self) -> dict[str, Any]:
        """Everything but the pixels, ready for JSON.

        Of a particle that is not explained there are no probabilities, and the shape is called
        "nearest" in place of "particle".
        """
        own = self.measures

        def pairs(values: dict[str, tuple[float, float]], unit: str = "") -> dict[str, Any]:
            return {
                name: {f"value{unit}": value, f"sd{unit}": sd}
                for name, (value, sd) in values.items()
            }

        shape = {
            "family": self.family,
            "material": str(self.particle.material),
            "sizes": pairs(self.sizes_nm, "_nm"),
            "volume_nm3": own.volume_nm3[0],
            "volume_sd_nm3": own.volume_nm3[1],
            "surface_nm2": own.surface_nm2[0],
            "surface_sd_nm2": own.surface_nm2[1],
            "facet_areas": pairs(own.areas_nm2, "_nm2"),
            "facet_shares": pairs(own.shares),
            "edges": pairs(own.edges_nm, "_nm"),
        }
        if own.inside:
            volumes = {name: pair for name, pair in own.inside.items() if _is_volume(name)}
            lengths = {name: pair for name, pair in own.inside.items() if not _is_volume(name)}
            shape["inside"] = pairs(lengths, "_nm") | pairs(volumes, "_nm3")
            shape["volumes_nm3"] = {
                str(name): volume for name, volume in self.particle.volumes.items()
            }
        said: dict[str, Any] = {
            "explained": self.explained,
            "shape_class": self.shape_class,
            "misfit": self.misfit,
        }
        if self.explained:
            said |= {"particle": shape, "family_probabilities": dict(self.probabilities)}
        else:
            said["nearest"] = shape
        return said | {
            "proposed_by": "images",
            "images": [image.to_dict() for image in self.images],
            "assumptions": list(self.assumptions),
            "warnings": list(self.warnings),
        }


def chosen_families(
    family: object, core: str | None = None, material: str = "Au"
) -> list[ShapeFamily]:
    """Families that were asked for, all for "auto", each without and with a core if one is.

    Parameters
    ----------
    family : str or Family or sequence of these
    core : str, optional
        Material of the core, or "void".
    material : str
        Of the shell.

    Raises
    ------
    TypeError, ValueError
        If there is no such family, or the core is of no material or of the shell's.

    Examples
    --------
    >>> [one.name for one in chosen_families("octahedron", "Pd")]
    ['octahedron', 'octahedron with Pd core']
    """
    found = _named_families(family)
    if core is not None:
        names = {one.name for one in found}
        inside = [shelled(one, core) for one in found if one.outer is one]
        found += [one for one in inside if one.name not in names]
    for one in found:
        if isinstance(one, Shelled):
            one.check_shell(material)
    return found


def _named_families(family: object) -> list[ShapeFamily]:
    if isinstance(family, str) and family == "auto":
        return [family_of(name) for name in FAMILIES]
    many = isinstance(family, Sequence) and not isinstance(family, str)
    several = list(family) if many else [family]  # type: ignore[call-overload]
    found: list[ShapeFamily] = []
    for one in several:
        if isinstance(one, ShapeFamily):
            found.append(one)
        elif isinstance(one, str):
            found.append(family_of(one))
        else:
            raise TypeError(f"family: got {type(one).__name__}, expected a name or a Family")
    if not found:
        raise ValueError("family: got none, expected at least one")
    return found


def judge_families(
    views: Sequence[View],
    microscopes: Sequence[Microscope],
    families: Sequence[ShapeFamily],
    known: Known,
    *,
    dose_sd: float,
    fit_probe: bool,
    report: Callable[[str], None],
) -> tuple[FamilyComparison, list[Microscope]]:
    """Compare families in several images; what is not known of the microscope is read off them.

    Parameters
    ----------
    views, microscopes : sequences of K
    families : sequence of ShapeFamily
    known : Known
    dose_sd : float
        Uncertainty of the logarithm of the doses.
    fit_probe : bool
        Whether the width of the probe is read off the images.
    report : callable
        Told what is being done.
    """
    images, scopes = [view.image for view in views], list(microscopes)

    def compared(rivals: Sequence[ShapeFamily]) -> FamilyComparison:
        return compare_families(
            images,
            scopes,
            rivals,
            material=known.material,
            turns=known.turns,
            dose_sd=dose_sd,
            report=report,
        )

    found = compared(families)
    if fit_probe or not known.calibrated:
        report("reading the noise and the width of the probe")
        if fit_probe:
            scopes = with_family_probe(scopes, found.best)
        if not known.calibrated:
            scopes = with_family_gain(scopes, found.best)
        near = [fit.family for fit in found.fits.values()]
        again = compared(near)
        rest = dict.fromkeys(found.log_evidence, -np.inf)
        found = FamilyComparison(again.fits, rest | again.log_evidence)
    return found, scopes


def summarise_family(
    views: Sequence[View], found: FamilyComparison, known: Known
) -> FamilyReconstruction:
    """Put the answer together.

    Parameters
    ----------
    views : sequence of K View
    found : FamilyComparison
    known : Known
    """
    fit = found.best
    covariance = fit.covariance
    if not known.calibrated:
        # What an estimated probe and dose may do to all faces at once.
        blind = 0.5 * BLIND_PX * float(np.mean([view.pixel_size_nm for view in views]))
        outwards = _outwards(fit.family) * blind
        covariance = covariance + np.outer(outwards, outwards)
    images = image_fits(views, fit, fit.shapes, known)
    explained, said = believed(images)
    if explained and not fit.converged:
        said.append("the fit did not settle: its error bars are not to be trusted")
    errors = np.sqrt(np.maximum(covariance.diagonal(), 0.0))
    pairs = zip(fit.sizes_nm.tolist(), errors.tolist(), strict=True)
    return FamilyReconstruction(
        explained=explained,
        family=fit.family.name,
        probabilities=found.probability,
        particle=fit.family.particle(fit.sizes_nm, known.material),
        sizes_nm=dict(zip(fit.family.outer.parameters, pairs, strict=False)),
        measures=measured(fit.family, fit.sizes_nm, covariance),
        images=images,
        assumptions=known.assumptions,
        warnings=(*known.warnings, *said),
    )


def _outwards(family: ShapeFamily) -> Float:
    """Change of the sizes that moves every face outwards by 1 nm, as nearly as can be."""
    if family.outer is not family:
        outwards = _outwards(family.outer)
        return np.append(outwards, outwards.sum())
    if isinstance(family, Family):
        return np.asarray(np.linalg.pinv(family.depths).sum(axis=1))
    return np.ones(family.n)


def _is_volume(name: str) -> bool:
    return name.endswith("volume")


def _form(kind: str) -> str:
    return f"{{{kind}}}" if kind.isdigit() else kind


def _line(name: str, value: str, sure: str = "") -> str:
    return f"{name:<28}{value:<24}{sure}".rstrip()


def _lengths(value: float, sd: float) -> str:
    """A length with as many digits as its error bar asks for."""
    digits = 2 if sd >= 0.01 or sd <= 0 else min(math.ceil(-math.log10(sd)), 5)
    return f"{value:.{digits}f} ± {sd:.{digits}f} nm"


def _particle(answer: FamilyReconstruction) -> list[str]:
    chances = answer.probabilities
    ranked = sorted(chances, key=lambda name: -chances[name])
    rivals = ", ".join(
        f"{name}: {percent(chances[name])}" for name in ranked[1:4] if chances[name] >= _SHOWN
    )
    lines = [_line("family", answer.family, percent(chances[answer.family]))]
    if rivals:
        lines.append(_line("or", rivals))
    for name, (value, sd) in answer.sizes_nm.items():
        lines.append(_line(name, _lengths(value, sd)))
    own = answer.measures
    lines.append(_line("volume", f"{own.volume_nm3[0]:.0f} ± {own.volume_nm3[1]:.0f} nm³"))
    lines.append(_line("surface", f"{own.surface_nm2[0]:.1f} ± {own.surface_nm2[1]:.1f} nm²"))
    for name, (value, sd) in own.inside.items():
        said = f"{value:.1f} ± {sd:.1f} nm³" if _is_volume(name) else _lengths(value, sd)
        lines.append(_line(name, said))
    for kind, (area, sd) in own.areas_nm2.items():
        share, share_sd = own.shares[kind]
        said = f"{100 * share:.1f} ± {100 * share_sd:.1f} % of the surface"
        lines.append(_line(f"facets {_form(kind)}", f"{area:.1f} ± {sd:.1f} nm²", said))
    for pair, (length, sd) in own.edges_nm.items():
        lines.append(_line(f"edges {pair}", _lengths(length, sd)))
    lines.append(_line("misfit", f"{100 * answer.misfit:.1f} % of the signal", "explained"))
    return lines


def _unexplained(answer: FamilyReconstruction) -> list[str]:
    return [
        NOT_EXPLAINED.upper(),
        f"None of {len(answer.probabilities)} families explains these images: "
        f"{100 * answer.misfit:.0f} % of the signal is left over,",
        "more than the noise and the microscope's imperfections account for.",
        f"(The nearest: {answer.family}, {answer.volume_nm3:.3g} nm³. Do not believe it.)",
    ]
