"""Settings of the particles, and particles drawn from them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, field_validator, model_validator

from stemfast import elementary, materials
from stemfast.particles.geometry.solid_arrays import Solids
from stemfast.recipes.scenes import Members
from stemfast.recipes.settings import Group, LogRange, NotNegative, Share, ordered

__all__ = [
    "CornerSettings",
    "Drawn",
    "FreeSettings",
    "HalfDisplacedSettings",
    "ParticleSettings",
    "ShapeSettings",
    "SteppedSettings",
]

Columns: TypeAlias = dict[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Drawn:
    """Particles drawn for N scenes.

    Attributes
    ----------
    solids : Solids
        N solids, or those of all members.
    reach_nm : (N,) ndarray
        At least the bounding radius, and independent of the class [nm].
    columns : dict of str to ndarray
        What was drawn.
    members : Members or None
        Bodies of scenes that show several.
    """

    solids: Solids
    reach_nm: NDArray[np.float64]
    columns: Columns
    members: Members | None = None


class ParticleSettings(Group):
    """Size, place and material.

    Parameters
    ----------
    diameter_nm : (float, float)
        Diameter of the sphere of the particle's volume, evenly in the logarithm [nm].
    shift_nm : float
        Farthest that a particle lies from the centre of the image in x and in y [nm]; less for
        one that would reach beyond the field.
    materials : list of str
        Materials, equally likely; names of :func:`stemfast.materials.names`.
    grain_brightness : (float, float)
        Factor of each grain's brightness, evenly in the logarithm, the same in all views: a
        randomisation in place of channelling, no physics. (1, 1) is off. Every particle of a
        recipe is one grain; see :meth:`stemfast.Particle.with_grain_brightness`.
    pose : "random", "resting" or "both"
        Any orientation (Haar); lying on a face, turned anyhow about the beam; or either of the
        two, equally often. Which face:
        :func:`stemfast.particles.geometry.resting.resting_faces`.
    tilt_spread_deg : float
        Standard deviation of the tilt of resting particles, normal, about any axis across the beam
        [degrees]: films are not even, and stages are tilted.
    """

    diameter_nm: LogRange = (11.0, 18.0)
    shift_nm: NotNegative = 2.0
    materials: Annotated[tuple[str, ...], Field(min_length=1)] = ("Au", "Pt", "Pd", "Ag")
    grain_brightness: LogRange = (1.0, 1.0)
    pose: Literal["random", "resting", "both"] = "random"
    tilt_spread_deg: Annotated[float, Field(strict=True, ge=0, le=90)] = 0.0

    @model_validator(mode="after")
    def _tilts_are_of_resting_particles(self) -> Self:
        if self.tilt_spread_deg > 0.0 and self.pose == "random":
            raise ValueError(
                f"particle.tilt_spread_deg is {self.tilt_spread_deg:g} of random poses, expected "
                "0, or particle.pose as 'resting' or 'both'"
            )
        return self

    @field_validator("materials")
    @classmethod
    def _materials_are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            materials.get(name)
        return names


class ShapeSettings(ParticleSettings):
    """Proportions of the particles of `shapes`.

    Parameters
    ----------
    edge_ratio : float
        Most that one edge of a cuboid is longer than another, 1 … 2.
    sphere_ratio : float
        Most that one axis of a "sphere" is longer than another, 1 … 1.5; 1 for perfect spheres.
        No particle that grew is perfectly round.
    """

    diameter_nm: LogRange = (5.0, 28.0)
    shift_nm: NotNegative = 8.0
    edge_ratio: Annotated[float, Field(strict=True, ge=1, le=2)] = 1.6
    sphere_ratio: Annotated[float, Field(strict=True, ge=1, le=1.5)] = 1.2


class CornerSettings(ParticleSettings):
    """Deformation of corners. The deformed corners of a particle are all cut or all displaced.

    Parameters
    ----------
    severity : (float, float)
        How far a plane cuts each of a corner's three edges, as a share of their lengths, evenly,
        for each corner anew; above 0 and up to 0.5, where neighbouring cuts meet.
    displacement : (float, float)
        How far a corner is displaced towards the centre, in units of the shortest edge; above 0
        and up to 0.5.
    displaced_share : float
        Share of the deformed particles whose corners are displaced; those of the others are cut.
    least_visibility : float
        Smallest d' that a deformed corner may have (see :mod:`stemfast.recipes.visibility`):
        raises the lowest severity in each scene to where its dose and probe show it. Scenes in
        which even the highest severity stays below are marked in the column ``visible``. 0 turns
        this off.
    """

    severity: LogRange
    displacement: LogRange
    displaced_share: Share = 0.0
    least_visibility: NotNegative = 3.0

    @field_validator("severity", "displacement")
    @classmethod
    def _cuts_do_not_overlap(cls, limits: tuple[float, float]) -> tuple[float, float]:
        if limits[1] > 0.5:
            raise ValueError("expected a range up to 0.5 at most, where neighbouring corners meet")
        return limits

    @property
    def growth(self) -> float:
        """Most that edges are longer than those of the whole cuboid with the same volume."""
        cut = self.severity[1]
        left = 1.0 - 8.0 / 6.0 * (cut * cut * cut)
        if self.displaced_share > 0.0:
            # Volume of a cube with all corners displaced: the square of how far they are still
            # out. Other cuboids and masks lose less.
            out = 1.0 - 2.0 * self.displacement[1] / math.sqrt(3.0)
            left = min(left, out * out)
        return 1.0 / float(elementary.cbrt(left))


class FreeSettings(CornerSettings):
    """Deformed cuboids of any proportions, cubes among them.

    Parameters
    ----------
    edge_ratio : float
        Most that one edge is longer than another, 1 … 2; logarithms evenly.
    """

    edge_ratio: Annotated[float, Field(strict=True, ge=1, le=2)] = 1.5


_Step = Annotated[float, Field(strict=True, ge=1.05, le=1.6)]


class SteppedSettings(CornerSettings):
    """Deformed cuboids whose three edges are clearly different.

    Parameters
    ----------
    edge_step : (float, float)
        How many times as long as the next one the longest and the middle edge are, logarithms
        evenly; 1.05 … 1.6.
    """

    edge_step: Annotated[tuple[_Step, _Step], AfterValidator(ordered)] = (1.2, 1.45)


class HalfDisplacedSettings(FreeSettings):
    """As :class:`FreeSettings`, with half of the deformed particles displaced if not said."""

    displaced_share: Share = 0.5
