"""Base class of recipes: their settings, and the drawing of scenes from them.

A recipe is its settings: a frozen object whose every range can be changed. Scene i of a seed is
drawn from counter-based numbers keyed by (seed, i, stage) and depends on nothing else.

Sizes are given as the diameter of the sphere of the same volume, and drawn alike for every class.
So the classes have the same distribution of volumes, and with it nearly the same distribution of
mean intensities: a network cannot tell them apart by brightness alone.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator

from stemfast.arguments import index, seed_value
from stemfast.recipes import conditions as tables
from stemfast.recipes.distributions import Floats, Ints, Stage, between_log, numbered, pick
from stemfast.recipes.exposure import Exposure, ImagingSettings, draw_exposure
from stemfast.recipes.particles import Drawn, ParticleSettings
from stemfast.recipes.poses import SeriesSettings, draw_orientations, draw_positions, draw_spins
from stemfast.recipes.scenes import Scenes
from stemfast.recipes.settings import Group, PixelType, Positive, Whole, explained, unknown_key

__all__ = ["Recipe"]

Columns: TypeAlias = dict[str, NDArray[Any]]


class Recipe(Group):
    """A named distribution of scenes with their labels.

    Settings that are not given have the values of the `conditions`; a group such as `imaging` can
    be given in part, as a dict.

    Parameters
    ----------
    conditions : "clean", "standard" or "hard"
        Where settings that are not given come from: `stemfast.recipes.conditions`.
    spin : bool
        Whether particles turn during the scan, at a constant rate about a random axis.
    image_px : int
        Rows and columns of the square images, at least 16. Changes the sampling, not the field;
        `imaging.signal_e_px` stays the number of electrons in a pixel.
    field_nm : float
        Width of the field, the same in all images so that a stack has one scale; the particles
        vary in size instead [nm].
    dtype : "uint8", "uint16" or "float32"
        Type of the pixels: float32 holds electrons, the others what a detector makes of them.
    views : int
        Images of each scene.
    particle : ParticleSettings
        Size, place, material and deformation.
    imaging : ImagingSettings
        Dose, probe, film, detector and stability.

    Raises
    ------
    ValueError
        If there is no such setting, or a value is not allowed.
    """

    name: ClassVar[str]
    #: Tables of `stemfast.recipes.conditions` for the group `particle`.
    corner_table: ClassVar[bool] = True

    conditions: Literal["clean", "standard", "hard"] = "standard"
    spin: bool = Field(default=False, strict=True)
    image_px: Whole = Field(default=128, ge=16, le=8192)
    field_nm: Positive = 32.0
    dtype: PixelType = np.dtype(np.uint8)
    views: Whole = Field(default=1, ge=1, le=1)
    imaging: ImagingSettings

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**self._completed(values))
        except ValidationError as error:
            raise ValueError(explained(self.name, type(self), error)) from None

    @classmethod
    def _completed(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Put in the values of the conditions where none are given."""
        chosen = values.get("conditions", "standard")
        if chosen not in tables.NAMES:
            raise ValueError(
                f"recipe {cls.name}: conditions is {chosen!r}, expected one of "
                f"{', '.join(tables.NAMES)}"
            )
        complete = dict(values)
        for group, preset in cls._presets(chosen).items():
            given = values.get(group, {})
            if isinstance(given, Mapping):
                complete[group] = preset | dict(given)
        return complete

    @classmethod
    def _presets(cls, conditions: str) -> dict[str, dict[str, Any]]:
        return {
            "imaging": tables.settings(tables.IMAGING, conditions),
            "particle": tables.settings(tables.CORNERS, conditions),
        }

    @model_validator(mode="after")
    def _largest_particle_fits(self) -> Self:
        field = self.field_nm
        longest = self.extent * self.particle_settings.diameter_nm[1]
        if longest > field:
            raise ValueError(
                f"expected particles that fit into the field_nm of {field:g}, got "
                f"particle.diameter_nm up to {self.particle_settings.diameter_nm[1]:g}: a particle "
                f"of that volume can be {longest:.3g} nm long"
            )
        self.imaging.require_fit(field, self.image_px)
        return self

    @property
    @abstractmethod
    def class_names(self) -> tuple[str, ...]:
        """Meaning of the labels."""

    @property
    @abstractmethod
    def extent(self) -> float:
        """Largest ratio of a particle's bounding sphere to the sphere of its volume."""

    @property
    @abstractmethod
    def particle_settings(self) -> ParticleSettings:
        """The group `particle`."""

    @property
    def series_settings(self) -> SeriesSettings | None:
        """The group `series` of a recipe that has one."""
        return None

    @property
    def pixel_size_nm(self) -> float:
        """Distance between neighbouring pixels [nm]."""
        return self.field_nm / self.image_px

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of what a scene gives: (H, W), or (K, H, W) with several views."""
        image = (self.image_px, self.image_px)
        return image if self.views == 1 else (self.views, *image)

    def replace(self, **changes: Any) -> Self:
        """The same recipe with some settings changed; a group can be given in part, as a dict.

        Raises
        ------
        ValueError
            If there is no such setting, a value is not allowed, or other conditions are asked for:
            take a new recipe for those, as this one has all its numbers already.

        Examples
        --------
        >>> from stemfast import recipes
        >>> recipes.get("shapes").replace(imaging={"energy_kev": 300.0}).imaging.energy_kev
        300.0
        """
        values = self.model_dump(mode="json")
        if changes.get("conditions", self.conditions) != self.conditions:
            raise ValueError(
                f"recipe {self.name} has all numbers of conditions {self.conditions!r} already, "
                f"expected recipes.get({self.name!r}, conditions={changes['conditions']!r})"
            )
        for key, change in changes.items():
            if key not in values:
                raise ValueError(unknown_key(self.name, type(self), key))
            both = isinstance(change, Mapping) and isinstance(values[key], dict)
            values[key] = values[key] | dict(change) if both else change
        return type(self)(**values)

    @abstractmethod
    def draw_particles(
        self, seed: int, indices: Ints, diameter_nm: Floats, exposure: Exposure
    ) -> tuple[Ints, Drawn]:
        """Labels of scenes, and their particles of the given volumes."""

    def sample(self, seed: int, start: int, stop: int) -> Scenes:
        """Draw scenes [start, stop) of a seed.

        Parameters
        ----------
        seed : int
            Any number of 0 … 2**64 - 1.
        start, stop : int
            Range of scene indices, 0 <= start < stop.

        Returns
        -------
        Scenes

        Raises
        ------
        TypeError, ValueError
            If these are not whole numbers, or the range is empty or negative.

        Examples
        --------
        >>> from stemfast import recipes
        >>> scenes = recipes.get("shapes").sample(seed=1, start=0, stop=6)
        >>> scenes.labels.tolist()
        [0, 1, 2, 0, 1, 2]
        """
        seed = seed_value(seed)
        start, stop = index("start", start), index("stop", stop, maximum=2**48 // self.views)
        if start >= stop:
            raise ValueError(f"start, stop is {start}, {stop}: expected 0 <= start < stop")
        indices = np.arange(start, stop, dtype=np.int64)
        settings = self.particle_settings
        u = numbered(seed, indices, Stage.SIZE, 2)
        diameter = between_log(settings.diameter_nm, next(u))
        material = pick(len(settings.materials), next(u))
        exposure = draw_exposure(
            self.imaging,
            seed,
            indices,
            image_px=self.image_px,
            pixel_size_nm=self.pixel_size_nm,
            diameter_nm=diameter,
            scatterers=self.imaging.scatterers(settings.materials, material),
        )
        labels, drawn = self.draw_particles(seed, indices, diameter, exposure)
        own = {
            "diameter_nm": diameter,
            "material": np.array(settings.materials, dtype="S")[material],
            **drawn.columns,
        }
        if settings.pose != "random" and drawn.members is not None:
            raise ValueError(
                f"recipe {self.name}: particle.pose is {settings.pose!r}, expected 'random' for "
                "scenes of several bodies"
            )
        if settings.grain_brightness != (1.0, 1.0):
            if drawn.members is not None:
                raise ValueError(
                    f"recipe {self.name}: particle.grain_brightness is "
                    f"{settings.grain_brightness}, expected (1, 1) for scenes of several bodies"
                )
            (u_grain,) = numbered(seed, indices, Stage.GRAIN, 1)
            own["grain_brightness"] = between_log(settings.grain_brightness, u_grain)
        return self._scenes(seed, indices, labels, drawn, exposure, own)

    def _scenes(
        self,
        seed: int,
        indices: Ints,
        labels: Ints,
        drawn: Drawn,
        exposure: Exposure,
        own: Columns,
    ) -> Scenes:
        start, stop, views = int(indices[0]), int(indices[-1]) + 1, self.views
        particle = self.particle_settings
        poses, tilts = draw_orientations(
            self.series_settings, seed, start, stop, views, particle=particle, solids=drawn.solids
        )
        shift = particle.shift_nm
        positions = draw_positions(shift, seed, indices, views, drawn.reach_nm, exposure)
        spins = draw_spins(seed, indices, views, exposure) if self.spin else None
        brightest = particle.grain_brightness[1]
        imaging, exposed = exposure.imaging(brightest * drawn.reach_nm, self.dtype, views)
        columns = own | exposed | tilts
        columns |= {"orientation_xyzw": poses, "position_nm": positions}
        if spins is not None:
            columns["spin_rad_s"] = spins
        if views == 1:
            for name in ("orientation_xyzw", "position_nm", "spin_rad_s", "tilt_deg", "resting"):
                if name in columns:
                    columns[name] = columns[name][:, 0]
        return Scenes(
            seed=seed,
            start=start,
            class_names=self.class_names,
            labels=labels,
            solids=drawn.solids,
            materials=own["material"],
            orientations=poses,
            positions_nm=positions,
            spin_rad_s=spins,
            imaging=imaging,
            columns=columns,
            several_views=views > 1,
            members=drawn.members,
        )
