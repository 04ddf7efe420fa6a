"""What all recipes share: sizes, poses and imaging conditions, drawn by scene index.

A recipe is its settings: a frozen object whose every range can be changed. Scene i of a seed is
drawn from counter-based numbers keyed by (seed, i, stage) and depends on nothing else.

Sizes are given as the diameter of the sphere of the same volume, and drawn alike for every class.
So the classes have the same distribution of volumes, and with it nearly the same distribution of
mean intensities: a network cannot tell them apart by brightness alone.
"""

from __future__ import annotations

from abc import abstractmethod
from enum import IntEnum
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, model_validator

from stemfast import draws, orientation, units
from stemfast.microscope import Beam, Detector, Microscope, Scan, Settings
from stemfast.recipes.imaging import Imaging
from stemfast.recipes.scenes import Scenes
from stemfast.recipes.solids import Solids

__all__ = ["Recipe", "Stage", "between", "between_log"]

Floats = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]


class Stage(IntEnum):
    """Stages of the counter-based generator that recipes draw from."""

    IMAGING = 0x1000
    POSITION = 0x1001
    PARTICLE = 0x1002
    CORNERS = 0x1003


def _ordered(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError(f"expected a range (lowest, highest), got {limits}")
    return limits


Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
#: (lowest, highest), both above 0, drawn evenly in the logarithm.
LogRange = Annotated[tuple[Positive, Positive], AfterValidator(_ordered)]
#: (lowest, highest), 0 or more, drawn evenly.
Range = Annotated[tuple[NotNegative, NotNegative], AfterValidator(_ordered)]


def between(limits: tuple[float, float], u: Floats) -> Floats:
    """Map uniform draws in [0, 1) evenly onto a range."""
    return limits[0] + (limits[1] - limits[0]) * u


def between_log(limits: tuple[float, float], u: Floats) -> Floats:
    """Map uniform draws in [0, 1) onto a range, evenly in the logarithm."""
    return np.exp(between((np.log(limits[0]), np.log(limits[1])), u))


class Recipe(Settings):
    """Settings that every recipe has, and the drawing of scenes from them.

    Parameters
    ----------
    image_px : int
        Rows and columns of the square images [px].
    pixel_size_nm : float
        Pixel size, the same in all images so that a stack has one scale; the particles vary in
        size instead [nm].
    diameter_nm : (float, float)
        Diameter of the sphere of the particle's volume, log-uniform [nm].
    materials : tuple of str
        Materials, equally likely.
    signal_e_px : (float, float)
        Dose: electrons per pixel that the particle scatters into the detector where it is as
        thick as the mean chord of the sphere of its volume, log-uniform [e/px].
    probe_fwhm_nm : (float, float)
        Full width at half maximum of probe and source size together, uniform [nm].
    film_nm : (float, float)
        Thickness of the carbon film, uniform [nm].
    read_noise : (float, float)
        Standard deviation of the detector's electronic noise, uniform [pixel value].
    detector_offset : float
        Pixel value without electrons; keeps the noise away from 0, where it would be clipped.
    shift_nm : float
        Farthest that a particle lies from the centre of the image in x and in y [nm]; less for a
        particle that would reach beyond the field.
    energy_kev : float
        Energy of the beam [keV].
    """

    name: ClassVar[str]
    class_names: ClassVar[tuple[str, ...]]
    #: Largest ratio of a particle's bounding sphere to the sphere of its volume.
    extent: ClassVar[float]

    image_px: int = Field(default=64, ge=16)
    pixel_size_nm: Positive
    diameter_nm: LogRange
    materials: Annotated[tuple[str, ...], Field(min_length=1)] = ("Au", "Pt", "Pd", "Ag")
    signal_e_px: LogRange
    probe_fwhm_nm: Range
    film_nm: Range
    read_noise: Range
    detector_offset: NotNegative = 100.0
    shift_nm: NotNegative
    energy_kev: Positive = 200.0

    @model_validator(mode="after")
    def _largest_particle_fits(self) -> Self:
        field = self.image_px * self.pixel_size_nm
        if self.extent * self.diameter_nm[1] > field:
            raise ValueError(
                f"expected particles that fit into the field of {field:g} nm, got diameter_nm up "
                f"to {self.diameter_nm[1]:g}: a particle of that volume can be "
                f"{self.extent * self.diameter_nm[1]:.3g} nm long"
            )
        return self

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels."""
        return Detector().dtype

    @abstractmethod
    def draw_particles(
        self, seed: int, indices: NDArray[np.int64], labels: NDArray[np.int64], given: Columns
    ) -> tuple[Solids, Columns]:
        """Solids of the given classes and volumes, and what was drawn for them."""

    def sample(self, seed: int, start: int, stop: int) -> Scenes:
        """Draw scenes [start, stop) of a seed.

        Parameters
        ----------
        seed : int
            Any number of 0 … 2**64 - 1.
        start, stop : int
            Range of scene indices, 0 <= start < stop. Scene i has class i mod C, so any C
            neighbours hold each class once.

        Returns
        -------
        Scenes

        Raises
        ------
        ValueError
            If the range is empty or negative.

        Examples
        --------
        >>> from stemfast import recipes
        >>> scenes = recipes.get("shapes").sample(seed=1, start=0, stop=6)
        >>> scenes.labels.tolist()
        [0, 1, 2, 0, 1, 2]
        """
        if not 0 <= start < stop:
            raise ValueError(f"start, stop is {start}, {stop}: expected 0 <= start < stop")
        indices = np.arange(start, stop, dtype=np.int64)
        labels = indices % len(self.class_names)
        columns = self._draw_conditions(seed, indices)
        solids, drawn = self.draw_particles(seed, indices, labels, columns)
        poses = orientation.random(len(indices), seed=seed, first_index=start).as_quat()
        positions = self._draw_positions(seed, indices, solids)
        columns |= drawn
        columns |= {"orientation_xyzw": poses, "position_nm": positions}
        return Scenes(
            seed=seed,
            start=start,
            class_names=self.class_names,
            labels=labels,
            solids=solids,
            materials=columns["material"],
            orientations=poses[:, None, :],
            positions_nm=positions[:, None, :],
            spin_rad_s=None,
            imaging=self._imaging(columns),
            columns=columns,
        )

    def _draw_conditions(self, seed: int, indices: NDArray[np.int64]) -> Columns:
        u = draws.uniform(seed, indices, Stage.IMAGING, 6).T
        names = np.array(self.materials, dtype="S")
        material = names[(u[1] * len(names)).astype(int)]
        diameter = between_log(self.diameter_nm, u[0])
        signal = between_log(self.signal_e_px, u[2])
        microscope = self._microscope()
        path = {name: microscope.mean_free_path_nm(name.decode()) for name in names.tolist()}
        mean_chord = 2.0 / 3.0 * diameter  # of a sphere: volume over area of its shadow
        scattered = -np.expm1(-mean_chord / np.array([path[name] for name in material.tolist()]))
        electrons = signal / scattered
        return {
            "diameter_nm": diameter,
            "material": material,
            "signal_e_px": signal,
            "current_pa": electrons / units.electrons(1.0, microscope.scan.dwell_us),
            "probe_fwhm_nm": between(self.probe_fwhm_nm, u[3]),
            "film_nm": between(self.film_nm, u[4]),
            "read_noise": between(self.read_noise, u[5]),
        }

    def _draw_positions(self, seed: int, indices: NDArray[np.int64], solids: Solids) -> Floats:
        u = draws.uniform(seed, indices, Stage.POSITION, 2)
        room = 0.5 * self.image_px * self.pixel_size_nm - solids.bounding_radius_nm
        reach = np.clip(room, 0.0, self.shift_nm)[:, None]
        return np.column_stack([(2.0 * u - 1.0) * reach, np.zeros(len(indices))])

    def _microscope(self) -> Microscope:
        scan = Scan(shape=(self.image_px, self.image_px), pixel_size_nm=self.pixel_size_nm)
        return Microscope(scan=scan, beam=Beam(energy_kev=self.energy_kev))

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of what is seen of one scene [px]."""
        return (self.image_px, self.image_px)

    def _imaging(self, columns: Columns) -> Imaging:
        return Imaging(
            image_px=self.image_px,
            pixel_size_nm=self.pixel_size_nm,
            energy_kev=self.energy_kev,
            electrons_px=columns["current_pa"] * units.electrons(1.0, Scan().dwell_us),
            probe_fwhm_nm=columns["probe_fwhm_nm"],
            film_nm=columns["film_nm"],
            read_noise=columns["read_noise"],
            offset=self.detector_offset,
        )
