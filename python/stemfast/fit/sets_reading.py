"""What a joint fit and the network read from several images of one particle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stemfast.fit.image.goodness import LEAST_P
from stemfast.studies.record import Entry

__all__ = ["SetReading"]


@dataclass(frozen=True)
class SetReading(Entry):
    """What was read from several images of one particle.

    `label` and `answer` are classes of corners, up to the mirror at unknown poses; `probability`
    is that of the answer. Network and fit are `Said`, as far as it is told:

    Attributes
    ----------
    views : int
        Images.
    truth, network, fit : dict
        ``count``, ``orbit``, ``orbit_up_to_mirror``, ``hand`` (of the answer, whether it is right),
        ``edges_off`` and ``volume_off`` (relative), ``edges_z``, ``volume_z`` and ``cuts_z`` (in
        error bars), ``cuts_off``; of the truth the first three. The network's is empty without one.
    misfit, p_value : float
        Of the image that the fit explains least; see `Goodness`.
    missed : float or None
        Of a wrong answer: by how much a fit that starts from the truth is more probable, in
        natural logarithms. Where that is not above 0, the images say so.
    fits : int
        Sets of corners that were fitted.
    seconds, network_seconds : float
        Of one core.
    """

    views: int
    truth: dict[str, Any]
    network: dict[str, Any]
    fit: dict[str, Any]
    misfit: float
    p_value: float
    missed: float | None
    fits: int
    seconds: float
    network_seconds: float

    @property
    def key(self) -> int:
        """What tells it from the others of a record."""
        return (self.index << 5) + self.views

    @property
    def explained(self) -> bool:
        """Whether the fit explains every image."""
        return self.p_value >= LEAST_P

    def said(self, who: str) -> dict[str, Any]:
        """What the "fit", the "network" or both "together" say.

        Together it is the fit where it explains every image, or else the network.
        """
        alone = who == "fit" or (who == "together" and self.explained)
        return self.fit if alone or not self.network else self.network
