"""Particles of several materials, one inside the other: core and shell, hollow, yolk and shell."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from stemfast.arguments import Vector, three_coordinates
from stemfast.orientation import quaternions
from stemfast.particles.arguments import MaterialLike, numbers_text
from stemfast.particles.base import Faceted, Particle
from stemfast.particles.geometry.body import Body, MeshBody
from stemfast.particles.geometry.containment import clearance_nm, lies_inside
from stemfast.particles.geometry.placement import UPRIGHT, Placement, Quaternion, unit_quaternion
from stemfast.particles.geometry.solid import Face, FloatArray
from stemfast.particles.round import Ellipsoid, Sphere

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

    from stemfast.symmetry.nested_group import Own


@dataclass(frozen=True)
class Layer:
    """A solid in its place, filled as far as the next layer inside it.

    Attributes
    ----------
    shape : Particle
        The solid; its own material does not count here.
    placement : Placement
        Where it stands in the frame of the whole.
    material : str, Material or None
        What it is filled with; None is a void.
    """

    shape: Particle
    placement: Placement
    material: MaterialLike | None

    @cached_property
    def body(self) -> Body:
        """The solid as the engine renders it, in the frame of the whole."""
        (own,) = self.shape.bodies()
        return self.placement.body(own)


@dataclass(frozen=True, repr=False, init=False)
class Nested(Particle):
    """Solids nested in one another: what `CoreShell` and `Hollow` share.

    The frame, and so the point that orientations turn it about, is that of the outermost one.
    """

    material: MaterialLike = field(init=False)
    offset_nm: Vector
    quaternion: Quaternion

    @property
    @abstractmethod
    def _outer(self) -> Particle:
        """Outermost particle; its frame is that of the whole."""

    @property
    @abstractmethod
    def _parts(self) -> dict[str, Particle]:
        """The two particles that it was made of, by the names of the arguments."""

    @abstractmethod
    def _inner_layers(self) -> tuple[Layer, ...]:
        """Layers of what is inside, outermost first, each in the frame of what is inside."""

    def _set_up(
        self, parts: dict[str, Particle], offset_nm: ArrayLike, orientation: Rotation | None
    ) -> None:
        """Check the arguments and keep them."""
        for name, part in parts.items():
            if not isinstance(part, Particle):
                raise TypeError(f"{name} must be a Particle, got {type(part).__name__}")
            if part.grain_brightness is not None:
                raise ValueError(
                    f"{name} must have no grain_brightness of its own, got {part!r}: give it to "
                    "the whole"
                )
            if not isinstance(part, Nested) and len(part.bodies()) != 1:
                raise TypeError(f"{name} must be a single solid, got {part!r}")
        offset = three_coordinates("offset_nm", offset_nm, "(x, y, z) [nm]")
        q = quaternions(orientation, "orientation")
        if len(q) != 1:
            raise ValueError(f"orientation has length {len(q)}, expected a single rotation")
        x, y, z, w = q[0].tolist()
        self._fill(parts, offset, unit_quaternion(x, y, z, w))

    def _fill(self, parts: dict[str, Particle], offset: Vector, quaternion: Quaternion) -> None:
        for name, value in parts.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "offset_nm", offset)
        object.__setattr__(self, "quaternion", quaternion)
        object.__setattr__(self, "material", self._outer.material)

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The solids from the outermost to the innermost.

        One that is filled like what is around it makes no difference and is left out.
        """
        found = list(layers_of(self._outer))
        place = Placement(self.offset_nm, self.quaternion)
        for layer in self._inner_layers():
            if layer.material != found[-1].material:
                found.append(replace(layer, placement=place.after(layer.placement)))
        return tuple(found)

    def _check_inside(self, inner: str, outer: str) -> None:
        """Refuse what sticks out of the innermost layer that was there before."""
        around = layers_of(self._outer)
        first = self._inner_layers()[0]
        place = Placement(self.offset_nm, self.quaternion).after(first.placement)
        body = replace(first, placement=place).body
        if lies_inside(body, around[-1].body):
            return
        where = f"the {outer}"
        if len(around) > 1:
            where = f"the innermost part of the {outer}, its "
            where += "void" if around[-1].material is None else "core"
        gap = clearance_nm(body, around[-1].body)
        how = f"sticks out by {-gap:.4g} nm or more" if gap < -1e-6 else "touches its surface"
        if isinstance(body, MeshBody) and isinstance(around[-1].body, MeshBody):
            how = f"its convex hull {how}"
        raise ValueError(
            f"{inner} must lie inside {where}, with a gap all around, but {how}: "
            f"{inner} {first.shape!r} at offset_nm={numbers_text(self.offset_nm)} in "
            f"{around[-1].shape!r}"
        )

    @cached_property
    def volumes(self) -> dict[MaterialLike, float]:
        found: dict[MaterialLike, float] = {}
        inside = [layer.shape.volume for layer in self.layers[1:]]
        for layer, hole in zip(self.layers, [*inside, 0.0], strict=True):
            if layer.material is not None:
                own = layer.shape.volume - hole
                found[layer.material] = found.get(layer.material, 0.0) + own
        return found

    @property
    def volume(self) -> float:
        return math.fsum(self.volumes.values())

    @property
    def surface_area(self) -> float:
        """Area [nm^2] between matter and emptiness: the outside, and the walls of a void."""
        area = self.layers[0].shape.surface_area
        for outer, inner in pairwise(self.layers):
            if outer.material is None or inner.material is None:
                area += inner.shape.surface_area
        return area

    @property
    def centroid(self) -> FloatArray:
        """(3,) centre of the volume [nm], voids left out, whatever the materials weigh."""
        moment = np.zeros(3)
        around: MaterialLike | None = None
        for layer in self.layers:
            share = (layer.material is not None) - (around is not None)
            middle = layer.placement.points(layer.shape.centroid)
            moment += share * layer.shape.volume * middle
            around = layer.material
        return moment / self.volume

    @property
    def vertices(self) -> FloatArray:
        return self._outer.vertices

    @property
    def faces(self) -> tuple[Face, ...]:
        return self._outer.faces

    @property
    def bounding_radius(self) -> float:
        return self._outer.bounding_radius

    def _surface(self) -> tuple[FloatArray, tuple[Face, ...]]:
        return self._outer._surface()

    @cached_property
    def _group(self) -> tuple[str, FloatArray | None]:
        from stemfast.symmetry.nested_group import nested_group

        return nested_group([_own_symmetry(layer) for layer in self.layers], self.bounding_radius)

    @property
    def symmetry_group(self) -> str:
        """Schoenflies symbol of what maps every one of the nested solids onto itself.

        "Kh", "Dinfh" or "Cinfv" where an axis is left about which all of them are round.
        """
        return self._group[0]

    @property
    def symmetry_rotations(self) -> FloatArray:
        from stemfast.symmetry.point_group import rotation_quaternions

        symbol, operations = self._group
        if operations is None:
            raise ValueError(
                f"symmetry_rotations: a particle of symmetry {symbol} has infinitely many"
            )
        return rotation_quaternions(operations)

    @property
    def symmetry_order(self) -> float:
        return math.inf if self._group[1] is None else float(len(self.symmetry_rotations))

    @cached_property
    def _bodies(self) -> tuple[Body, ...]:
        found: list[Body] = []
        around: MaterialLike | None = None
        for layer in self.layers:
            # What was there is carved out before the layer's own filling goes in.
            if around is not None:
                found.append(replace(layer.body, weight=-1.0, material=around))
            if layer.material is not None:
                found.append(replace(layer.body, weight=1.0, material=layer.material))
            around = layer.material
        return tuple(found)

    def _description(self) -> str:
        text = ", ".join(f"{name}={part!r}" for name, part in self._parts.items())
        if any(self.offset_nm):
            text += f", offset_nm={numbers_text(self.offset_nm)}"
        if self.quaternion != UPRIGHT:
            text += f", turned by {numbers_text(self.quaternion)}"
        return text

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._description()}{self._brightness_text()})"

    def __reduce__(self) -> tuple[Any, ...]:
        # By the quaternion itself: a Rotation would round its last digit once more.
        where = self.offset_nm, self.quaternion
        return _restore, (type(self), self._parts, *where, self.grain_brightness)


def _restore(
    kind: type[Nested],
    parts: dict[str, Particle],
    offset: Vector,
    quaternion: Quaternion,
    grain_brightness: tuple[float, ...] | None = None,
) -> Nested:
    made = object.__new__(kind)
    made._fill(parts, offset, quaternion)
    return made.with_grain_brightness(grain_brightness)


def layers_of(particle: Particle) -> tuple[Layer, ...]:
    """The layers of a nested particle; any other one is its own only layer."""
    if isinstance(particle, Nested):
        return particle.layers
    return (Layer(particle, Placement(), particle.material),)


def _own_symmetry(layer: Layer) -> Own:
    from stemfast.symmetry.nested_group import Own

    shape, turn = layer.shape, layer.placement.matrix
    if isinstance(shape, Sphere):
        return Own(layer.placement.points(np.zeros(3)))
    if isinstance(shape, Ellipsoid):
        centre = layer.placement.points(np.zeros(3))
        if shape.symmetry_group == "Kh":
            return Own(centre)
        if shape.symmetry_group == "Dinfh":
            return Own(centre, axis=turn[:, shape.odd_axis])
        signs = np.array(np.meshgrid(*3 * [(1.0, -1.0)])).reshape(3, -1).T
        operations = signs[:, :, None] * np.eye(3)
    elif isinstance(shape, Faceted):
        centre, operations = layer.placement.points(shape.symmetry_centre), shape.operations
    else:
        raise ValueError(f"symmetry_group is not known of a particle that holds {shape!r}")
    return Own(centre, operations=turn @ operations @ turn.T)
