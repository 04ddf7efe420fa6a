"""A found particle, fitted and simulated again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from stemfast.explore.job import Tell
from stemfast.explore.read.reading import Reading
from stemfast.finding import Found

if TYPE_CHECKING:
    from stemfast.reconstruction import FamilyReconstruction, Reconstruction

__all__ = ["Fitted", "fit"]


@dataclass(frozen=True, eq=False)
class Fitted:
    """The answer of a fit.

    Attributes
    ----------
    found : Found
        The search that the particle belongs to.
    label : int
        Of the particle there.
    answer : Reconstruction or FamilyReconstruction
    """

    found: Found
    label: int
    answer: Reconstruction | FamilyReconstruction

    def into(self, shown: Reading) -> Reading:
        """The reading with this answer; as it was where its particles are others by now."""
        if shown.found is not self.found:
            return shown
        return replace(shown, fits=MappingProxyType({**shown.fits, self.label: self.answer}))


def fit(reading: Reading, label: int, family: str | None, material: str, tell: Tell) -> Fitted:
    """Fit one of the particles alone, with film in place of the others.

    Parameters
    ----------
    reading : Reading
    label : int
        Of the particle.
    family, material : str
        As for `stemfast.reconstruct`.
    tell : callable
        Told what is being done.

    Raises
    ------
    ValueError
        If there is no scale, the border cuts the particle, or it cannot be fitted.
    """
    from stemfast.reconstruction import reconstruct
    from stemfast.reconstruction.alone import only

    found = reading.found
    if found[label - 1].on_border:
        raise ValueError(f"particle {label} is cut by the border, expected a whole one")
    size = found.source.micrograph().pixel_size_nm
    answer = reconstruct(
        only(found.image, found.labels, label, found.contrast),
        size,
        material=material,
        names=(f"particle {label}",),
        family=family,
        report=lambda doing: tell(doing, -1.0),
    )
    return Fitted(found, label, answer)
