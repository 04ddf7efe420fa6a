"""Base classes of particles."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from stemfast.particles.arguments import (
    MaterialLike,
    checked_factors,
    checked_material,
    material_name,
    numbers_text,
)
from stemfast.particles.geometry.body import Body
from stemfast.particles.geometry.grains import brightened
from stemfast.particles.geometry.solid import Face, FloatArray, Solid


def _rebuild(
    kind: type[Particle],
    arguments: Mapping[str, Any],
    grain_brightness: tuple[float, ...] | None = None,
) -> Particle:
    return kind(**arguments).with_grain_brightness(grain_brightness)


@dataclass(frozen=True, repr=False)
class Particle(ABC):
    """A solid in its own frame, in nm.

    Immutable, comparable, hashable and picklable. Orientations turn a particle about the
    origin of its frame. That is the centre of mass of every named shape; for a cuboid with
    edited corners it is the centre of the undeformed box.

    Attributes
    ----------
    material : str or Material
        What it is made of; a name is looked up in `stemfast.materials` when it is needed. Of a
        particle of several materials, the outermost.
    grain_brightness : tuple of float or None
        Factor of each grain's brightness, see `with_grain_brightness`; None if there is none.
    """

    material: MaterialLike = field(default="Au", kw_only=True, hash=False)
    grain_brightness: tuple[float, ...] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        checked_material(self.material)

    @property
    @abstractmethod
    def volume(self) -> float:
        """Volume [nm^3], exact up to rounding."""

    @property
    def volumes(self) -> dict[MaterialLike, float]:
        """Volume of each material [nm^3], by the material as it was given."""
        return {self.material: self.volume}

    @property
    @abstractmethod
    def surface_area(self) -> float:
        """Surface area [nm^2], exact up to rounding."""

    @property
    @abstractmethod
    def centroid(self) -> FloatArray:
        """(3,) centre of mass [nm]."""

    @property
    @abstractmethod
    def vertices(self) -> FloatArray:
        """(V, 3) corners [nm]; (0, 3) for round particles."""

    @property
    @abstractmethod
    def faces(self) -> tuple[Face, ...]:
        """Vertex indices around each flat face, anticlockwise seen from outside."""

    @property
    @abstractmethod
    def bounding_radius(self) -> float:
        """Largest distance [nm] of any point of the particle from the origin."""

    @property
    @abstractmethod
    def symmetry_group(self) -> str:
        """Schoenflies symbol of all rotations and mirrors about the centroid, e.g. "Oh".

        A sphere is "Kh", a spheroid "Dinfh".
        """

    @property
    @abstractmethod
    def symmetry_rotations(self) -> FloatArray:
        """(n, 4) unit quaternions (x, y, z, w) of the proper rotations, identity first.

        Raises
        ------
        ValueError
            For a sphere or a spheroid, which have infinitely many.
        """

    @property
    def symmetry_order(self) -> float:
        """Number of proper rotations; infinite for a sphere or a spheroid."""
        return float(len(self.symmetry_rotations))

    def bodies(self) -> tuple[Body, ...]:
        """Bodies that the projection engine renders, one or more, in the particle's frame."""
        return self._bodies if self.grain_brightness is None else self._grain_bodies

    @property
    @abstractmethod
    def _bodies(self) -> tuple[Body, ...]:
        """Bodies of the particle, all of it equally bright."""

    @property
    def n_grains(self) -> int:
        """Number of grains: five twins of a decahedron, twenty of an icosahedron, else one."""
        return 1

    def _grains(self) -> tuple[Body, ...]:
        """Bodies of the grains, if there are several."""
        return self._bodies

    @cached_property
    def _grain_bodies(self) -> tuple[Body, ...]:
        factors = self.grain_brightness
        assert factors is not None
        return brightened(self._bodies, self._grains() if len(factors) > 1 else (), factors)

    def with_grain_brightness(self, factors: float | Sequence[float] | None) -> Self:
        """The same particle with grains that are brighter or darker than its thickness says.

        A randomisation, not physics: channelling makes crystals and twins bright or dark by their
        orientation, and factors drawn at random stand for that. They multiply the thickness of a
        grain in everything that is simulated, truth included; `volume` is that of the solid.

        Parameters
        ----------
        factors : float, sequence of float or None
            One above 0 for each of the `n_grains` grains, or one for all; None for no factors.
            Twins of a decahedron go around its axis from the x axis on, those of an icosahedron in
            the order of its faces.

        Raises
        ------
        TypeError, ValueError
            If these are not as many positive finite numbers.

        Examples
        --------
        >>> import stemfast as sf
        >>> sf.Decahedron(edge=20).with_grain_brightness((1, 0.7, 1.2, 1, 0.9))
        Decahedron(edge=20 nm, material='Au', grain_brightness=(1, 0.7, 1.2, 1, 0.9))
        """
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        made.__dict__.pop("_grain_bodies", None)
        checked = None if factors is None else checked_factors(factors, self.n_grains)
        object.__setattr__(made, "grain_brightness", checked)
        return made

    def save(self, path: str | Path) -> Path:
        """Write it as a solid for other programs: binary STL, in nm.

        Parameters
        ----------
        path : str or Path
            Ends in ``.stl``. A file already there is replaced.

        Returns
        -------
        Path

        Raises
        ------
        ValueError
            If the name ends otherwise, or the particle is round and has no faces.
        """
        from stemfast.particles.stl import write_stl

        if Path(path).suffix.lower() != ".stl":
            raise ValueError(f"path is {str(path)!r}, expected a name that ends in .stl")
        return write_stl(path, self)

    def _surface(self) -> tuple[FloatArray, tuple[Face, ...]]:
        """Corners and faces to draw it by."""
        return self.vertices, self.faces

    def _repr_html_(self) -> str:
        from stemfast.particles.picture import notebook_html

        return notebook_html(self, *self._surface())

    @abstractmethod
    def _description(self) -> str:
        """The arguments that a ``repr`` shows, without the material."""

    def _arguments(self) -> dict[str, Any]:
        """Keyword arguments that make an equal particle."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.init}

    def __reduce__(self) -> tuple[Any, ...]:
        # By arguments, so that what a particle has worked out about itself is not pickled.
        return _rebuild, (type(self), self._arguments(), self.grain_brightness)

    def __repr__(self) -> str:
        material = material_name(self.material)
        said = f"{self._description()}, material={material!r}{self._brightness_text()}"
        return f"{type(self).__name__}({said})"

    def _brightness_text(self) -> str:
        factors = self.grain_brightness
        return "" if factors is None else f", grain_brightness={numbers_text(factors)}"


@dataclass(frozen=True, repr=False)
class Faceted(Particle):
    """A particle bounded by flat faces: everything follows from its `Solid`."""

    @cached_property
    def _solid(self) -> Solid:
        return self._build()

    @abstractmethod
    def _build(self) -> Solid:
        """Vertices and faces from the arguments."""

    @property
    def volume(self) -> float:
        return self._solid.volume

    @property
    def surface_area(self) -> float:
        return self._solid.area

    @property
    def centroid(self) -> FloatArray:
        return self._solid.centroid.copy()

    @property
    def vertices(self) -> FloatArray:
        # A copy, which may be written to: SciPy's Rotation refuses read-only arrays.
        return self._solid.vertices.copy()

    @property
    def faces(self) -> tuple[Face, ...]:
        return self._solid.faces

    @property
    def is_convex(self) -> bool:
        """True if the solid is convex, so that it is rendered as half-spaces."""
        return self._solid.is_convex

    @cached_property
    def bounding_radius(self) -> float:
        return float(np.linalg.norm(self._solid.vertices, axis=1).max())

    @property
    def symmetry_centre(self) -> FloatArray:
        """(3,) the point [nm] that the operations of the symmetry group are about."""
        return self.centroid

    @property
    def operations(self) -> FloatArray:
        """(n, 3, 3) rotations and mirrors about the centre that map the solid onto itself."""
        return self._operations.copy()

    @cached_property
    def _operations(self) -> FloatArray:
        from stemfast.symmetry.point_group import solid_operations

        return solid_operations(self._solid)

    @cached_property
    def symmetry_group(self) -> str:
        from stemfast.symmetry.point_group import schoenflies

        return schoenflies(self._operations)

    @cached_property
    def _rotations(self) -> FloatArray:
        from stemfast.symmetry.point_group import rotation_quaternions

        return rotation_quaternions(self._operations)

    @property
    def symmetry_rotations(self) -> FloatArray:
        return self._rotations.copy()

    @cached_property
    def _bodies(self) -> tuple[Body, ...]:
        return (self._solid.body(),)
