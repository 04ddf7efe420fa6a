"""Particles of a field: sizes, shapes, materials, brightness of grains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast import elementary
from stemfast.fields.bodies import Bodies
from stemfast.fields.chance import Chance
from stemfast.fields.places import on_support, packed, scattered
from stemfast.fields.resting import resting
from stemfast.fields.shapes import CLASSES, COMPOSITES, library
from stemfast.fields.supports import Support
from stemfast.simulation.batch import rotated

__all__ = ["LARGE", "METALS", "Habit", "Population", "populated"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

#: Materials of catalyst particles.
METALS = ("Pt", "Pd", "Au", "Ag", "Cu", "Ru", "Ni", "Co", "Rh", "Ir", "Fe3O4", "CeO2")
#: Materials of the large particles that transmission images of the literature show.
LARGE = ("SiO2", "SiO2", "C", "C", "TiO2", "Fe3O4", "Cu2O", "Au", "PbS", "ZnO")

_ROUND = ("sphere", "irregular", "irregular", "ellipsoid", "truncated octahedron", "icosahedron")
_FACETED = (
    "cuboid",
    "cuboid",
    "octahedron",
    "truncated octahedron",
    "tetrahedron",
    "decahedron",
    "icosahedron",
    "hexagonal plate",
    "triangular plate",
    "rod",
)
#: Long particles, and how long each is in the library, over its width.
_LONG = (("rod", 3.0), ("rod", 3.0), ("capped rod", 3.55), ("cuboid", 1.0))
_OUTSIDES = ("sphere", "sphere", "ellipsoid", "irregular", "cuboid", "octahedron", "rod")
_HOLDS_A_GRAIN = ("sphere", "ellipsoid", "irregular", "truncated octahedron", "icosahedron")


@dataclass(frozen=True)
class Habit:
    """Substances of particles, and how their sizes and brightness spread.

    Parameters
    ----------
    materials, large_materials : tuple of str
        One is drawn for a field: of catalyst particles and of large ones. A material that is
        named twice comes twice as often.
    sigma : (float, float)
        Range of the standard deviation of the logarithm of the diameter.
    even_sigma : (float, float)
        The same of monolayers and of large particles, drawn in the logarithm.
    brightness_sigma : (float, float)
        Range of the standard deviation of the logarithm of the particles' brightness.
    shapes : tuple of str
        Classes of `stemfast.fields.shapes.CLASSES`, one drawn for each particle; empty for a few
        classes a field, as its kind has them.
    """

    materials: tuple[str, ...] = METALS
    large_materials: tuple[str, ...] = LARGE
    sigma: tuple[float, float] = (0.1, 0.45)
    even_sigma: tuple[float, float] = (0.02, 0.15)
    brightness_sigma: tuple[float, float] = (0.0, 0.35)
    shapes: tuple[str, ...] = ()


@dataclass(eq=False, repr=False)
class Population:
    """Particles as arrays; particle i is bodies first[i] … first[i + 1] − 1.

    Attributes
    ----------
    bodies : Bodies
        Weights are of thickness [nm] times the brightness of the grain.
    first : (n + 1,) int64
    kind : (n,) int64
        Index in `stemfast.fields.shapes.CLASSES`.
    material : tuple of str
        Of each body.
    diameter_nm : (n,) float64
        Of the sphere of the same volume.
    brightness : (n,) float64
        Factor of the particle's thickness that stands for its orientation; no physics.
    """

    bodies: Bodies
    first: Ints
    kind: Ints
    material: tuple[str, ...]
    diameter_nm: Floats
    brightness: Floats

    def __len__(self) -> int:
        return len(self.kind)

    def __repr__(self) -> str:
        return f"Population of {len(self)} particles"


def populated(
    chance: Chance,
    extent_nm: tuple[float, float],
    *,
    kind: str,
    support: Support | None,
    diameter_nm: float,
    count: int,
    habit: Habit | None = None,
) -> Population:
    """Draw the particles of a field.

    Parameters
    ----------
    chance : Chance
    extent_nm : (float, float)
        Height and width of the field [nm].
    kind : "monolayer", "supported", "sparse", "large" or "rods"
    support : Support or None
        What they sit on; None for a film.
    diameter_nm : float
        Median diameter [nm].
    count : int
        Particles asked for, 0 or more. Left out are those of monolayers and large ones that find
        no place in `stemfast.fields.places.TRIES` tries each, and those on a support for which no
        point of its surface in view is found.
    habit : Habit, optional
    """
    if count == 0:
        none = np.zeros(0, np.int64)
        return Population(Bodies(), np.zeros(1, np.int64), none, (), np.zeros(0), np.zeros(0))
    habit = Habit() if habit is None else habit
    size = _sizes(chance, kind, diameter_nm, count, habit)
    if kind in ("monolayer", "large"):
        place, size = packed(chance, extent_nm, size, lattice=kind == "monolayer")
    elif support is not None:
        place, size = on_support(chance, extent_nm, support, size)
    else:
        place = scattered(chance, extent_nm, size)
    return _made(chance, kind, place, size, habit)


def _sizes(chance: Chance, kind: str, median: float, count: int, habit: Habit) -> Floats:
    if kind in ("monolayer", "large"):
        return chance.log_normal(median, chance.between_log(*habit.even_sigma), count)
    size = chance.log_normal(median, chance.between(*habit.sigma), count)
    if chance.happens(0.3):  # two populations
        second = chance.uniform(count) < chance.between(0.1, 0.5)
        size = np.where(second, size * chance.between_log(1.6, 3.5), size)
    if chance.happens(0.3):  # a large particle now and then
        size = np.where(chance.uniform(count) < 0.02, size * chance.between_log(2.0, 5.0), size)
    return np.asarray(np.minimum(size, 8.0 * median))


def _made(chance: Chance, kind: str, place: Floats, size: Floats, habit: Habit) -> Population:
    n = len(size)
    names = CLASSES
    if habit.shapes:
        classes = habit.shapes
    elif kind == "supported":
        classes = tuple(chance.choice(_ROUND) for _ in range(3))
        if chance.happens(0.25):
            classes = (*classes, chance.choice(_FACETED))
    elif kind == "rods":
        classes = (chance.choice(_LONG)[0],)
    elif kind == "large" and chance.happens(0.55):
        classes = ("sphere",)
    elif chance.happens(0.35):
        classes = (chance.choice(_ROUND),)
    else:
        classes = tuple(chance.choice(_FACETED) for _ in range(chance.whole(1, 2)))
    picked = chance.picks(n, len(classes))
    kinds = np.array([names.index(name) for name in classes], np.int64)[picked]
    number = chance.uniform(n)
    solid = _solids(chance, kinds) if habit.shapes else kinds
    rows = np.zeros(n, np.int64)
    for value, name in enumerate(names):
        of_class = solid == value
        if name not in COMPOSITES and of_class.any():
            own = library().rows(name)
            rows[of_class] = own[(number[of_class] * len(own)).astype(np.int64)]
    scale = np.repeat(size[:, None], 3, axis=1) * _stretch(chance, names, solid)
    if habit.shapes:
        scale *= _flattened(chance, solid)
    elif kind == "rods":
        scale = np.repeat(size[:, None], 3, axis=1) * _slender(chance, n, classes[0])
    large = kind == "large" or (kind == "rods" and chance.happens(0.6))
    material = chance.choice(habit.large_materials if large else habit.materials)
    spread = chance.between(*habit.brightness_sigma)
    brightness = elementary.exp(np.clip(spread * chance.normal(n), -1.0, 1.0))
    inside = None
    if habit.shapes:
        at_rest = chance.happens(0.5)
        turned = resting(chance, rows, scale, 3.0) if at_rest else chance.orientations(n)
        inside = _insides(chance, kinds, scale)
    elif kind == "rods":
        turned = resting(chance, rows, scale, 4.0)
    else:
        lying = kind in ("monolayer", "large") and chance.happens(0.6)
        turned = chance.about_the_beam(n, 3.0) if lying else chance.orientations(n)
    solids, look = (kinds, rows, scale), (material, brightness)
    return _assembled(chance, kind, place, size, solids, look, turned, inside)


def _stretch(chance: Chance, names: tuple[str, ...], kinds: Ints) -> Floats:
    """Aspect ratios that keep the volume: ellipsoids, cuboids and rods are not all alike."""
    n = len(kinds)
    u = chance.uniform(2 * n).reshape(2, n)
    loose = chance.between(0.0, 0.5)
    stretch = np.ones((n, 3))
    for name, most in (
        ("ellipsoid", 0.5),
        ("cuboid", loose),
        ("rod", 0.6),
        ("irregular", 0.15),
        ("rounded cuboid", loose),
        ("capped rod", 0.6),
    ):
        own = kinds == names.index(name)
        a = elementary.exp(most * (u[0][own] - 0.5) * 2.0)
        b = elementary.exp(most * (u[1][own] - 0.5))
        stretch[own] = (
            np.stack([b / a, b / a, a * a / (b * b)], axis=1)
            if name.endswith("rod")
            else (np.stack([a * b, b / a, 1.0 / (b * b)], axis=1))
        )
    return stretch


def _slender(chance: Chance, n: int, name: str) -> Floats:
    """Stretch, at the same volume, to rods 4 to 20 times as long as wide, (n, 3)."""
    aspect = chance.log_normal(chance.between_log(4.0, 20.0), chance.between(0.05, 0.3), n)
    along = elementary.cbrt(aspect / dict(_LONG)[name]) ** 2
    across = 1.0 / np.sqrt(along)
    return np.stack([across, across, along], axis=1)


def _solids(chance: Chance, kinds: Ints) -> Ints:
    """Class of the outside of each particle: another solid's for those of two bodies."""
    forms = [CLASSES.index(name) for name in _OUTSIDES]
    other = np.array(forms, np.int64)[chance.picks(len(kinds), len(forms))]
    composite = np.isin(kinds, [CLASSES.index(name) for name in COMPOSITES])
    return np.where(composite, other, kinds)


def _flattened(chance: Chance, solid: Ints) -> Floats:
    """Stretch along z, at the same volume, of plates and bipyramids, (n, 3)."""
    u = chance.uniform(len(solid))
    along = np.ones(len(solid))
    for name, most in (
        ("hexagonal plate", 0.6),
        ("triangular plate", 0.6),
        ("snipped triangular plate", 0.6),
        ("decahedron", 0.25),
    ):
        own = solid == CLASSES.index(name)
        along[own] = elementary.exp(most * (2.0 * u[own] - 1.0))
    across = 1.0 / np.sqrt(along)
    return np.stack([across, across, along], axis=1)


def _insides(
    chance: Chance, kinds: Ints, scale: Floats
) -> tuple[NDArray[np.bool_], Floats, Floats]:
    """Bodies inside the particles of two: which have one, its scale (n, 3), its weight (n,).

    A core scatters more or less than its shell, by at least 40 %; a void not at all.
    """
    n = len(kinds)
    core, hollow = (kinds == CLASSES.index(name) for name in COMPOSITES)
    u = chance.uniform(3 * n).reshape(3, n)
    share = np.where(hollow, 0.6 + 0.3 * u[0], 0.35 + 0.45 * u[0])
    denser = 0.5 + 4.5 * u[1] * u[1]
    weight = np.where(hollow, -1.0, np.where(u[2] < 0.8, denser, -0.4 - 0.35 * u[1]))
    return core | hollow, scale * share[:, None], weight


def _assembled(
    chance: Chance,
    kind: str,
    place: Floats,
    size: Floats,
    solids: tuple[Ints, Ints, Floats],
    look: tuple[str, Floats],
    turned: Floats,
    inside: tuple[NDArray[np.bool_], Floats, Floats] | None = None,
) -> Population:
    """Bodies of the particles: the solid, a core or a grain inside some."""
    kinds, rows, scale = solids
    material, brightness = look
    n = len(size)
    names = CLASSES
    grainy = chance.happens(0.5) if kind != "large" else chance.happens(0.25)
    holds = np.isin(kinds, [names.index(name) for name in _HOLDS_A_GRAIN])
    grain = holds & (chance.uniform(n) < 0.5) if grainy else np.zeros(n, np.bool_)
    cored = kind in ("large", "monolayer") and chance.happens(0.15)
    core_material = chance.choice((*METALS, "SiO2"))
    core_scale = chance.between(0.15, 0.75)
    lightness = 0.7 * (chance.uniform(n) - 0.45)

    bodies = Bodies()
    inner = grain | cored
    if inside is not None:
        inner, cored = inside[0] | grain, False
    count = 1 + inner.astype(np.int64)
    first = np.concatenate([[0], np.cumsum(count)])
    order = np.argsort(np.concatenate([first[:-1], first[:-1][inner] + 1]), kind="stable")
    local = np.zeros((n, 3))
    if not cored:
        local[:, 0] = 0.2 * scale[:, 0]
    in_place = place + rotated(turned, local)
    if cored:
        in_scale = core_scale * scale
        in_weight = brightness
    else:
        in_scale = scale * (0.4, 0.78, 0.78)
        in_weight = brightness * lightness
    if inside is not None:
        in_place[inside[0]] = place[inside[0]]
        in_scale[inside[0]] = inside[1][inside[0]]
        in_weight[inside[0]] = (brightness * inside[2])[inside[0]]
    bodies.add(
        np.concatenate([rows, rows[inner]])[order],
        np.concatenate([scale, in_scale[inner]])[order],
        np.concatenate([place, in_place[inner]])[order],
        np.concatenate([brightness, in_weight[inner]])[order],
        np.concatenate([turned, turned[inner]])[order],
    )
    materials = np.array([material] * n + [core_material if cored else material] * int(inner.sum()))
    return Population(
        bodies, first, kinds, tuple(materials[order].tolist()), size, np.asarray(brightness)
    )
